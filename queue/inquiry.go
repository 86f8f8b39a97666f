package queue

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/wire"
)

// An inquiry asks the kernel questions, on a socket that has no queue.
type inquiry struct {
	sock    sock.Socket
	seq     uint32
	changed bool // while the answer was read
	slot    [1]sock.Datagram
}

func newInquiry(s sock.Socket) *inquiry {
	i := &inquiry{sock: s}
	i.slot[0].Buf = make([]byte, inquirySize)
	return i
}

const (
	// inquirySize has room for what one read of a long answer gives
	// (net/netlink/af_netlink.c, netlink_dump: at most 32 KiB).
	inquirySize = 64 << 10
	// inquiryLimit is how long an answer may take.
	inquiryLimit = 5 * time.Second
)

// errChanged says that what was asked for changed during the answer.
var errChanged = errors.New("it changed while it was read")

// ask sends a question and calls each with every message of the answer but the
// last, an acknowledgement or the end of a list.
func (i *inquiry) ask(ctx context.Context, encode func(seq uint32) []byte, each func(h wire.Header, body []byte) error) error {
	i.seq++
	i.changed = false
	if _, err := i.sock.Request([][]byte{encode(i.seq)}); err != nil {
		return err
	}
	if err := i.sock.SetReadDeadline(time.Now().Add(inquiryLimit)); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = i.sock.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	for {
		n, err := i.sock.Receive(i.slot[:], nil)
		if errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		for _, d := range i.slot[:n] {
			if over, err := i.read(d, each); over || err != nil {
				return err
			}
		}
	}
}

// read takes the messages of one datagram, and reports whether the answer is
// over.
func (i *inquiry) read(d sock.Datagram, each func(wire.Header, []byte) error) (over bool, err error) {
	if d.Truncated {
		return false, fmt.Errorf("an answer of more than %d bytes: %w", len(d.Buf), emsgsize)
	}
	for b := d.Buf[:d.N]; len(b) > 0; {
		var h wire.Header
		body, err := h.Parse(wire.Native(), b)
		if err != nil {
			return false, err
		}
		b = b[min((int(h.Len)+3)&^3, len(b)):]
		if h.Seq != i.seq || d.From != 0 {
			continue
		}
		if over, err = i.message(h, body, each); over || err != nil {
			return over, err
		}
	}
	return false, nil
}

func (i *inquiry) message(h wire.Header, body []byte, each func(wire.Header, []byte) error) (over bool, err error) {
	if h.Type == wire.NLMsgError {
		e, err := wire.Native().ParseError(h, body)
		if err == nil && e.Errno != 0 {
			err = errno(e.Errno)
		}
		return true, err
	}
	i.changed = i.changed || h.Flags&wire.FlagDumpInterrupted != 0
	switch {
	case h.Type != wire.NLMsgDone:
		return false, each(h, body)
	case i.changed:
		return true, errChanged
	}
	return true, nil
}

// question is a message of nothing but a type, for which the kernel wants the
// family all the same (struct nfgenmsg).
func question(typ uint16) func(seq uint32) []byte {
	return func(seq uint32) []byte {
		b := wire.Native().AppendHeader(nil, wire.Header{
			Len: wire.HeaderLen + 4, Type: typ, Flags: wire.FlagRequest | wire.FlagAck, Seq: seq,
		})
		return append(b, 0, 0, 0, 0)
	}
}

// refusal asks a question of which only the acknowledgement or its errno
// matters.
func (i *inquiry) refusal(ctx context.Context, typ uint16) error {
	return i.ask(ctx, question(typ), nothing)
}

// nothing is for questions whose answer is an acknowledgement alone.
func nothing(wire.Header, []byte) error { return nil }

// ruleTries is how often the rules are read while others change them.
const ruleTries = 10

// rules returns the rules of nftables that hand packets to queues.
func (i *inquiry) rules(ctx context.Context) ([]Rule, error) {
	for tries := 1; ; tries++ {
		list, err := i.rulesOnce(ctx)
		if !errors.Is(err, errChanged) || tries == ruleTries {
			return list, err
		}
	}
}

func (i *inquiry) rulesOnce(ctx context.Context) (list []Rule, err error) {
	encode := func(seq uint32) []byte { return wire.AppendNFTGetRules(nil, seq, 0) }
	err = i.ask(ctx, encode, func(h wire.Header, body []byte) error {
		if h.Type != wire.NFTNewRuleType {
			return nil
		}
		r, err := wire.ParseNFTRule(body)
		if err == nil && r.Queue {
			list = append(list, ruleOf(r))
		}
		return err
	})
	return list, err
}

func ruleOf(r wire.NFTRule) Rule {
	return Rule{
		Family: nftFamily(r.Family), Table: r.Table, Chain: r.Chain, Handle: r.Handle,
		First: r.First, Last: r.Last, Computed: r.Computed, Bypass: r.Bypass,
		Counted: r.Counted, Packets: r.Packets,
	}
}

// nftFamily is nft's name of a protocol family.
func nftFamily(nfproto uint8) string {
	switch nfproto {
	case 1:
		return "inet"
	case 2:
		return "ip"
	case 3:
		return "arp"
	case 5:
		return "netdev"
	case 7:
		return "bridge"
	case 10:
		return "ip6"
	}
	return fmt.Sprintf("family %d", nfproto)
}
