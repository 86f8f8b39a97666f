package netns

import (
	"encoding/binary"
	"errors"
	"math"
	"strconv"

	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
)

// register is the nftables register that all expressions here use.
const register = 1

// exprs returns the rule without its action: matches, counter, mark, label.
func (r Rule) exprs() []expr.Any {
	var list []expr.Any
	if r.Protocol != 0 {
		list = append(list, compare(expr.MetaKeyL4PROTO, expr.CmpOpEq, []byte{byte(r.Protocol)})...)
	}
	if r.DstPort != 0 {
		list = append(list, dstPort(r.DstPort)...)
	}
	if r.SYN {
		list = append(list, opens()...)
	}
	list = append(list, r.Mark.exprs(&expr.Meta{Key: expr.MetaKeyMARK, Register: register})...)
	list = append(list, r.ConnMark.exprs(&expr.Ct{Key: expr.CtKeyMARK, Register: register})...)
	if r.InLink != "" {
		list = append(list, compare(expr.MetaKeyIIFNAME, expr.CmpOpEq, linkName(r.InLink))...)
	}
	if r.OutLink != "" {
		list = append(list, compare(expr.MetaKeyOIFNAME, expr.CmpOpEq, linkName(r.OutLink))...)
	}
	list = append(list, &expr.Counter{})
	if r.SetMark != 0 {
		list = append(list,
			&expr.Immediate{Register: register, Data: markData(r.SetMark)},
			&expr.Meta{Key: expr.MetaKeyMARK, SourceRegister: true, Register: register})
	}
	if r.SaveMark {
		list = append(list,
			&expr.Meta{Key: expr.MetaKeyMARK, Register: register},
			&expr.Ct{Key: expr.CtKeyMARK, SourceRegister: true, Register: register})
	}
	if r.SetLabel != 0 {
		list = append(list,
			&expr.Immediate{Register: register, Data: labelData(r.SetLabel)},
			&expr.Ct{Key: expr.CtKeyLABELS, SourceRegister: true, Register: register})
	}
	return list
}

// compare makes the rule continue only if the packet's property compares to data.
func compare(key expr.MetaKey, op expr.CmpOp, data []byte) []expr.Any {
	return compareLoaded(&expr.Meta{Key: key, Register: register}, op, data)
}

// compareLoaded is like compare, for the value that load puts into the register.
func compareLoaded(load expr.Any, op expr.CmpOp, data []byte) []expr.Any {
	return []expr.Any{load, &expr.Cmp{Op: op, Register: register, Data: data}}
}

// dstPort compares bytes 2 and 3 of the transport header: the destination port
// of TCP (RFC 9293) and UDP (RFC 768).
func dstPort(port uint16) []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: register, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		&expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: binary.BigEndian.AppendUint16(nil, port)},
	}
}

// opens compares the flags of the TCP header (RFC 9293, section 3.1) with those
// of a connection's first segment, as iptables' --syn does.
func opens() []expr.Any {
	const fin, syn, rst, ack = 0x01, 0x02, 0x04, 0x10
	return []expr.Any{
		&expr.Payload{DestRegister: register, Base: expr.PayloadBaseTransportHeader, Offset: 13, Len: 1},
		&expr.Bitwise{
			SourceRegister: register, DestRegister: register,
			Len: 1, Mask: []byte{fin | syn | rst | ack}, Xor: []byte{0},
		},
		&expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: []byte{syn}},
	}
}

// exprs returns the condition on the mark that load puts into the register.
func (m Mark) exprs(load expr.Any) []expr.Any {
	switch m.match {
	case sameMark:
		return compareLoaded(load, expr.CmpOpEq, markData(m.value))
	case otherMark:
		return compareLoaded(load, expr.CmpOpNeq, markData(m.value))
	}
	return nil
}

// markData returns a mark in the form used in registers: in host byte order.
func markData(mark uint32) []byte {
	return binary.NativeEndian.AppendUint32(nil, mark)
}

// labelData returns a set of one label in the form used in registers: two 64-bit or
// four 32-bit words in host byte order (struct nf_conn_labels).
func labelData(label uint8) []byte {
	b := make([]byte, 16)
	if strconv.IntSize == 32 {
		binary.NativeEndian.PutUint32(b[label/32*4:], 1<<(label%32))
	} else {
		binary.NativeEndian.PutUint64(b[label/64*8:], 1<<(label%64))
	}
	return b
}

// linkName pads a name to IFNAMSIZ, the form used in registers.
func linkName(name string) []byte {
	var padded [16]byte
	copy(padded[:], name)
	return padded[:]
}

// rejectTCPReset is NFT_REJECT_TCP_RST of
// include/uapi/linux/netfilter/nf_tables.h.
const rejectTCPReset = 1

// verdict returns the expression that ends the rule. Enqueue uses exprs of the queue
// instead.
func (r Rule) verdict() []expr.Any {
	switch r.Action {
	case Accept:
		return []expr.Any{&expr.Verdict{Kind: expr.VerdictAccept}}
	case Drop:
		return []expr.Any{&expr.Verdict{Kind: expr.VerdictDrop}}
	case Reset:
		return []expr.Any{&expr.Reject{Type: rejectTCPReset}}
	case Redirect:
		return []expr.Any{
			&expr.Immediate{Register: register, Data: binary.BigEndian.AppendUint16(nil, r.ToPort)},
			&expr.Redir{RegisterProtoMin: register},
		}
	}
	return nil
}

var errQueueRange = errors.New("netns: queues must be First to Last, at most 65535 of them")

// exprs returns all forms in which a kernel may accept the queue, best first:
// nft_queue, then the revisions of the xtables target NFQUEUE that can express it.
func (q Queue) exprs() ([]expr.Any, error) {
	if q.Last == 0 {
		q.Last = q.First
	}
	total := int(q.Last) - int(q.First) + 1
	if total < 1 || total > math.MaxUint16 {
		return nil, errQueueRange
	}
	native := &expr.Queue{Num: q.First, Total: uint16(total), Flag: q.flags()}
	return append([]expr.Any{native}, q.targets(uint16(total))...), nil
}

// targets follows include/uapi/linux/netfilter/xt_NFQUEUE.h. Revision 0 contains the
// queue number. Revision 1 adds the number of queues (Linux 2.6.31), 2 adds bypass
// (2.6.39), and 3 turns that into flags (3.10).
func (q Queue) targets(total uint16) []expr.Any {
	words := []uint16{q.First, total, uint16(q.flags())}
	list := []expr.Any{target(3, words)}
	if !q.Fanout {
		list = append(list, target(2, words))
	}
	if q.flags() == 0 {
		list = append(list, target(1, words[:2]))
	}
	if q.flags() == 0 && total == 1 {
		list = append(list, target(0, words[:1]))
	}
	return list
}

func (q Queue) flags() expr.QueueFlag {
	var f expr.QueueFlag
	if q.Bypass {
		f |= expr.QueueFlagBypass
	}
	if q.Fanout {
		f |= expr.QueueFlagFanout
	}
	return f
}

func target(revision uint32, words []uint16) *expr.Target {
	var info xt.Unknown
	for _, w := range words {
		info = binary.NativeEndian.AppendUint16(info, w)
	}
	return &expr.Target{Name: "NFQUEUE", Rev: revision, Info: &info}
}
