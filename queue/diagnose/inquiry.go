package diagnose

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/wire"
)

// An inquiry sends requests to nfnetlink_queue on a socket that owns no queue.
type inquiry struct {
	sock sock.Socket
	seq  uint32
	slot [1]sock.Datagram
}

func newInquiry(s sock.Socket) *inquiry {
	i := &inquiry{sock: s}
	i.slot[0].Buf = make([]byte, inquirySize)
	return i
}

const (
	// inquirySize is the size of the receive buffer. A reply repeats the
	// request, which is much shorter.
	inquirySize = 4 << 10
	// inquiryLimit is how long to wait for a reply. The kernel may have to
	// load a module first.
	inquiryLimit = 5 * time.Second
)

// ask sends a request and waits for the reply. It returns nil if the kernel
// accepts the request, and otherwise the errno.
func (i *inquiry) ask(ctx context.Context, encode func(seq uint32) []byte) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	i.seq++
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
			if answered, err := i.read(d); answered || err != nil {
				return err
			}
		}
	}
}

// read looks for the reply in a datagram.
func (i *inquiry) read(d sock.Datagram) (answered bool, err error) {
	if d.Truncated {
		return false, fmt.Errorf("reply of more than %d bytes: %w", len(d.Buf), emsgsize)
	}
	for b := d.Buf[:d.N]; len(b) > 0; {
		var h wire.Header
		body, err := h.Parse(wire.Native(), b)
		if err != nil {
			return false, err
		}
		b = b[min((int(h.Len)+3)&^3, len(b)):]
		if h.Seq != i.seq || d.From != 0 || h.Type != wire.NLMsgError {
			continue
		}
		e, err := wire.Native().ParseError(h, body)
		if err == nil && e.Errno != 0 {
			err = errno(e.Errno)
		}
		return true, err
	}
	return false, nil
}

// noop sends an empty request, in order to learn whether this process may send
// requests: nfnetlink checks CAP_NET_ADMIN before it reads the message
// (net/netfilter/nfnetlink.c, nfnetlink_rcv, since Linux 3.13).
func (i *inquiry) noop(ctx context.Context) error {
	return i.ask(ctx, func(seq uint32) []byte {
		b := wire.Native().AppendHeader(nil, wire.Header{
			Len: wire.HeaderLen + 4, Type: wire.NLMsgNoop, Flags: wire.FlagRequest | wire.FlagAck, Seq: seq,
		})
		return append(b, 0, 0, 0, 0) // struct nfgenmsg
	})
}

// flag reports whether the kernel supports a flag. It requests the flag for a
// queue that no program has bound. The kernel checks the flag first: it refuses one
// that it does not support with EOPNOTSUPP, and otherwise the missing queue with
// ENODEV (net/netfilter/nfnetlink_queue.c, nfqnl_recv_config).
func (i *inquiry) flag(ctx context.Context, unbound uint16, f wire.ConfigFlags) (honoured bool, err error) {
	err = i.ask(ctx, func(seq uint32) []byte {
		return wire.AppendNFQConfig(nil, wire.FlagAck, seq, 0, &wire.NFQConfig{Queue: unbound, Flags: f, Mask: f})
	})
	switch {
	case errors.Is(err, enodev):
		return true, nil
	case errors.Is(err, eopnotsupp):
		return false, nil
	}
	return false, err
}
