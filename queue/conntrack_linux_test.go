package queue_test

import (
	"errors"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/ipqueue/ipqueue/internal/netns"
	"github.com/ipqueue/ipqueue/internal/testutil"
	"github.com/ipqueue/ipqueue/queue"
	"github.com/ipqueue/ipqueue/wire"
)

// ruleLabel is the label that labelled gives connections.
const ruleLabel = 3

// labelled returns a rule that tracks UDP connections and labels them.
func labelled() netns.Rule { return netns.Rule{Protocol: netns.UDP, SetLabel: ruleLabel} }

// openTracking opens a queue with Config.Conntrack, and skips the test if the
// kernel does not support it.
func (l *lab) openTracking() *queue.Queue {
	l.Helper()
	q, err := l.tryOpen(queue.Config{Conntrack: true})
	if errors.Is(err, unix.EOPNOTSUPP) {
		testutil.Lacks(l, testutil.ConntrackQueues, err)
	}
	if err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() { q.Close() })
	return q
}

// tracked returns the entry of the packet, after checking its relation to the
// packet.
func (l *lab) tracked(p queue.Packet, state queue.CTState, reply bool) queue.Conntrack {
	l.Helper()
	c, ok := p.Conntrack()
	if !ok {
		l.Fatalf("%v has no entry", p)
	}
	way := c.Original
	if reply {
		way = c.Reply
	}
	if c.State != state || c.InReply != reply || way.Flow != p.Flow() || c.Reply.Flow != c.Original.Reverse() {
		l.Errorf("%v: %v; want %v, reply %t", p, c, state, reply)
	}
	return c
}

// addrPort is where the socket is bound.
func addrPort(c *net.UDPConn) netip.AddrPort { return c.LocalAddr().(*net.UDPAddr).AddrPort() }

// wantLabels compares labels by their numbers.
func wantLabels(t testing.TB, c queue.Conntrack, want string) {
	t.Helper()
	if got := c.Labels.String(); got != want {
		t.Errorf("labels %q, want %q", got, want)
	}
}

// TestKernelConntrackChange changes a UDP connection over loopback. Its first
// packet is new, later ones are established, and each shows what earlier
// verdicts have changed.
func TestKernelConntrackChange(t *testing.T) {
	for _, lo := range loopbacks {
		t.Run(lo.name, func(t *testing.T) {
			l := newLab(t)
			q := l.openTracking()
			f := l.flow(lo.addr)
			l.chain(netns.Output, 0, labelled(), toQueue(0))
			decide := func(p queue.Packet, c queue.CTChange) {
				t.Helper()
				if err := p.Decide(queue.Verdict{Action: queue.Accept, Conntrack: c}); err != nil {
					t.Fatal(err)
				}
			}

			f.send("first")
			p := take(t, q, 1)[0]
			c := l.tracked(p, queue.CTNew, false)
			wantLabels(t, c, "3")
			decide(p, queue.CTChange{Mark: 0x12, MarkMask: 0xff, SetLabels: queue.CTLabels{1 << 5, 1 << 63}})
			f.want("first")

			if _, err := f.server.WriteToUDPAddrPort([]byte("answer"), addrPort(f.client)); err != nil {
				t.Fatal(err)
			}
			p = take(t, q, 1)[0]
			answered := l.tracked(p, queue.CTEstablished, true)
			if answered.Mark != 0x12 || answered.ID != c.ID || answered.Status&(queue.CTConfirmed|queue.CTSeenReply) != queue.CTConfirmed|queue.CTSeenReply {
				t.Errorf("the answer has %v, want mark 0x12, confirmed, seen-reply, and the id %d, not %d", answered, c.ID, answered.ID)
			}
			wantLabels(t, answered, "3,5,127")
			decide(p, queue.CTChange{
				Mark: 0x1000, MarkMask: 0xf00f, ClearLabels: queue.CTLabels{1 << 5},
				Timeout: 2 * time.Hour, SetStatus: queue.CTFixedTimeout | queue.CTAssured,
			})

			f.send("second")
			p = take(t, q, 1)[0]
			c = l.tracked(p, queue.CTEstablished, false)
			if c.Mark != 0x1010 || c.Status&(queue.CTFixedTimeout|queue.CTAssured) != queue.CTFixedTimeout|queue.CTAssured {
				t.Errorf("the second packet has %v, want mark 0x1010, assured, fixed-timeout", c)
			}
			if c.Timeout < time.Hour || c.Timeout > 2*time.Hour {
				t.Errorf("timeout %v, want a little less than 2h", c.Timeout)
			}
			wantLabels(t, c, "3,127")
			decide(p, queue.CTChange{ClearStatus: queue.CTFixedTimeout, MarkMask: ^uint32(0)})
			f.want("second")

			f.send("third")
			p = take(t, q, 1)[0]
			if c = l.tracked(p, queue.CTEstablished, false); c.Mark != 0 || c.Status&queue.CTFixedTimeout != 0 || c.Timeout >= time.Hour {
				t.Errorf("the third packet has %v, want no mark, no fixed timeout", c)
			}
			accept(t, p)
			f.want("third")
		})
	}
}

// ctnetlink sends a request of that message type (enum cntl_msg_types) for
// the address's family and returns the attributes of the replies.
func (l *lab) ctnetlink(typ netlink.HeaderType, addr netip.Addr, flags netlink.HeaderFlags, attrs []byte) (replies [][]byte) {
	l.Helper()
	family := byte(unix.AF_INET)
	if addr.Is6() {
		family = unix.AF_INET6
	}
	err := l.ns.Do(func() error {
		conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
		if err != nil {
			return err
		}
		defer conn.Close()
		request := netlink.Message{
			Header: netlink.Header{Type: unix.NFNL_SUBSYS_CTNETLINK<<8 | typ, Flags: netlink.Request | flags},
			Data:   append([]byte{family, 0, 0, 0}, attrs...), // struct nfgenmsg
		}
		messages, err := conn.Execute(request)
		for _, m := range messages {
			if len(m.Data) > 4 {
				replies = append(replies, m.Data[4:])
			}
		}
		return err
	})
	if err != nil {
		l.Fatal(err)
	}
	return replies
}

// entry returns the namespace's entry of the flow, decoded and encoded.
func (l *lab) entry(f *flow) (c wire.Conntrack, attrs []byte) {
	l.Helper()
	const get = 1 // IPCTNL_MSG_CT_GET
	server := addrPort(f.server)
	for _, attrs := range l.ctnetlink(get, server.Addr(), netlink.Dump, nil) {
		if err := c.Parse(attrs); err != nil {
			l.Fatalf("%v: % x", err, attrs)
		}
		if c.Original.Destination == server {
			return c, attrs
		}
	}
	l.Fatalf("there is no entry of %v", server)
	return c, nil
}

// TestKernelConntrackAttributes uses ctnetlink, for kernels that do not send
// connections to queues. It has the same attributes: package wire decodes those
// of the kernel, and the kernel accepts the changes that it encodes.
func TestKernelConntrackAttributes(t *testing.T) {
	for _, lo := range loopbacks {
		t.Run(lo.name, func(t *testing.T) {
			l := newLab(t)
			f := l.flow(lo.addr)
			l.chain(netns.Output, 0, labelled())
			f.send("first")
			f.want("first")
			c, attrs := l.entry(f)
			client, server := addrPort(f.client), addrPort(f.server)
			want := wire.Conntrack{
				Original: wire.CTTuple{Source: client, Destination: server, Protocol: 17},
				Reply:    wire.CTTuple{Source: server, Destination: client, Protocol: 17},
				Status:   wire.CTConfirmed, Labels: wire.CTLabels{1 << ruleLabel},
				Has: c.Has, ID: c.ID, Timeout: c.Timeout,
			}
			if !reflect.DeepEqual(c, want) {
				t.Errorf("the entry is\n%+v, want\n%+v", c, want)
			}
			if all := wire.CTHasID | wire.CTHasTimeout | wire.CTHasLabels; c.Has&all != all || c.Timeout == 0 || c.Timeout > 30 {
				t.Errorf("the entry has %v, timeout %d", c.Has, c.Timeout)
			}

			_, rest, err := wire.NextAttr(attrs) // CTA_TUPLE_ORIG comes first
			if err != nil {
				t.Fatal(err)
			}
			const change = 0 // IPCTNL_MSG_CT_NEW
			original := slices.Clone(attrs[:len(attrs)-len(rest)])
			l.ctnetlink(change, lo.addr, netlink.Acknowledge, wire.AppendCTChange(original, &wire.CTChange{
				SetTimeout: true, Timeout: 7200,
				SetStatus: true, Status: c.Status | wire.CTSeenReply | wire.CTAssured | wire.CTFixedTimeout,
				SetLabels: true, Labels: wire.CTLabels{0, 1 << 63}, LabelMask: wire.CTLabels{1 << ruleLabel, 1 << 63},
				SetMark: true, Mark: 0x10, MarkMask: 0xf0,
			}))
			c, _ = l.entry(f)
			if c.Mark != 0x10 || c.Labels != (wire.CTLabels{0, 1 << 63}) || c.Timeout < 7000 || c.Timeout > 7200 ||
				c.Status != wire.CTConfirmed|wire.CTSeenReply|wire.CTAssured|wire.CTFixedTimeout {
				t.Errorf("the entry is now %+v", c)
			}
		})
	}
}
