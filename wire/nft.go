package wire

import "encoding/binary"

// Types of the messages by which nftables tells its rules, NFNL_SUBSYS_NFTABLES
// with NFT_MSG_NEWRULE and NFT_MSG_GETRULE.
const (
	NFTNewRuleType = 0x0a06
	NFTGetRuleType = 0x0a07
)

// Attributes of a rule (enum nft_rule_attributes), of a list (enum
// nft_list_attributes) and of its expressions (enum nft_expr_attributes).
const (
	nftaRuleTable       = 1
	nftaRuleChain       = 2
	nftaRuleHandle      = 3
	nftaRuleExpressions = 4

	nftaListElem = 1

	nftaExprName = 1
	nftaExprData = 2
)

// An NFTRule is a rule of nftables, as far as it concerns queues. Rules that
// iptables made in nftables (iptables-nft) are among them.
type NFTRule struct {
	Family uint8 // 1 for inet, 2 for IPv4, 7 for bridges, 10 for IPv6
	Table  string
	Chain  string
	Handle uint64 // names the rule within its table

	// Queue says that the rule hands packets to a queue: one of First to Last,
	// or, if Computed is true, one whose number it computes from the packet.
	// With Bypass, packets for a queue that nobody has bound pass.
	Queue       bool
	First, Last uint16
	Computed    bool
	Bypass      bool

	// Packets is how many packets came as far as the rule's counter, if it is
	// Counted.
	Counted bool
	Packets uint64
}

// AppendNFTGetRules appends a request for all rules of nftables. The kernel
// answers with messages of type NFTNewRuleType and, at the end, NLMsgDone.
func AppendNFTGetRules(b []byte, seq, port uint32) []byte {
	b = Native().AppendHeader(b, Header{
		Len: HeaderLen + nfgenLen, Type: NFTGetRuleType, Flags: FlagRequest | FlagDump, Seq: seq, Port: port,
	})
	return append(b, 0, 0, 0, 0) // struct nfgenmsg: all families
}

// ParseNFTRule decodes the body of a message of type NFTNewRuleType. Unlike
// the rest of this package it copies what it returns.
//
// It fails as NextAttr does, and with ErrTruncated if an attribute is shorter
// than its type.
func ParseNFTRule(body []byte) (NFTRule, error) {
	var r NFTRule
	if len(body) < nfgenLen {
		return r, nfgenError(nftMessage, body)
	}
	r.Family = body[0]
	err := eachAttr(body[nfgenLen:], func(a Attr) (err error) {
		switch a.Type {
		case nftaRuleTable:
			r.Table = string(cString(a.Data))
		case nftaRuleChain:
			r.Chain = string(cString(a.Data))
		case nftaRuleHandle:
			r.Handle, err = number64(a.Data)
		case nftaRuleExpressions:
			err = eachAttr(a.Data, r.element)
		}
		return err
	})
	return r, err
}

const nftMessage = "nftables rule"

// element reads one expression of the rule.
func (r *NFTRule) element(a Attr) error {
	if a.Type != nftaListElem {
		return nil
	}
	var name string
	var data []byte
	err := eachAttr(a.Data, func(a Attr) error {
		switch a.Type {
		case nftaExprName:
			name = string(cString(a.Data))
		case nftaExprData:
			data = a.Data
		}
		return nil
	})
	if err != nil {
		return err
	}
	switch name {
	case "queue":
		return r.queue(data)
	case "target":
		return r.target(data)
	case "immediate":
		return r.immediate(data)
	case "counter":
		return r.counter(data)
	}
	return nil
}

// eachAttr calls f with each attribute in b, until it fails.
func eachAttr(b []byte, f func(Attr) error) error {
	for len(b) > 0 {
		a, rest, err := NextAttr(b)
		if err == nil {
			err = f(a)
		}
		if err != nil {
			return err
		}
		b = rest
	}
	return nil
}

func number16(b []byte) (uint16, error) { return number(b, 2, binary.BigEndian.Uint16) }
func number32(b []byte) (uint32, error) { return number(b, 4, binary.BigEndian.Uint32) }
func number64(b []byte) (uint64, error) { return number(b, 8, binary.BigEndian.Uint64) }

// number reads an integer of size bytes in network byte order.
func number[T any](b []byte, size int, read func([]byte) T) (v T, err error) {
	if len(b) < size {
		return v, &Error{Message: nftMessage, What: "attribute", Want: size, Got: len(b), Err: ErrTruncated}
	}
	return read(b), nil
}
