package queue_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ipqueue/ipqueue/internal/netns"
	"github.com/ipqueue/ipqueue/internal/testutil"
	"github.com/ipqueue/ipqueue/internal/testutil/replace"
	"github.com/ipqueue/ipqueue/queue"
)

// A bulk is a TCP connection over a veth pair whose segments to the server are
// queued where they are sent.
type bulk struct {
	q              *queue.Queue
	client, server *net.TCPConn
	receiver       *netns.Namespace
}

func newBulk(t *testing.T, family int, c queue.Config) *bulk {
	t.Helper()
	l := newLab(t)
	near, far := testutil.Veth(t, l.ns, testutil.NewNamespace(t), 1)
	client, server := testutil.TCP(t, near.NS, far.NS, far.Addrs()[family])
	port := server.LocalAddr().(interface{ AddrPort() netip.AddrPort }).AddrPort().Port()
	l.chain(netns.Output, 0, netns.Rule{Protocol: netns.TCP, DstPort: port, Action: netns.Enqueue})
	return &bulk{l.open(c), client, server, far.NS}
}

const mtu = 1500

// TestKernelNoGSOLoopback checks NoGSO on the loopback interface, whose
// segments have 64 KiB: if copies are short, they fit in a small receive
// buffer.
func TestKernelNoGSOLoopback(t *testing.T) {
	for _, lo := range loopbacks {
		t.Run(lo.name, func(t *testing.T) {
			l := newLab(t)
			client, server := testutil.TCP(t, l.ns, l.ns, lo.addr)
			if err := client.SetWriteBuffer(256 << 10); err != nil { // bounds what is on its way
				t.Fatal(err)
			}
			port := server.LocalAddr().(interface{ AddrPort() netip.AddrPort }).AddrPort().Port()
			l.chain(netns.Output, 0, netns.Rule{Protocol: netns.TCP, DstPort: port, Action: netns.Enqueue})
			q := l.open(queue.Config{NoGSO: true, ReadBuffer: smallBuffer / 2, Mode: queue.Range(128)})
			var longest atomic.Uint32
			l.judge(channel(q), func(p queue.Packet) error {
				longest.Store(max(longest.Load(), p.Length))
				return p.Accept()
			})
			testutil.EchoTCP(t, client, server, bytes.Repeat([]byte("0123456789abcdef"), 1<<17))
			if s := settled(t, q); s.Missed > 0 || longest.Load() < 10*mtu {
				t.Errorf("%d packets found no room, the longest that came has %d bytes", s.Missed, longest.Load())
			}
		})
	}
}

// A packet whose segmentation is left to the device is larger than the MTU,
// unless that is not wanted.
func TestKernelGSO(t *testing.T) {
	for _, noGSO := range []bool{false, true} {
		for i, lo := range loopbacks {
			t.Run(fmt.Sprint(at("NoGSO", noGSO), " ", lo.name), func(t *testing.T) {
				b := newBulk(t, i, queue.Config{NoGSO: noGSO})
				var large, marked, unready atomic.Int64
				l := &lab{TB: t}
				l.judge(channel(b.q), func(p queue.Packet) error {
					if p.Length > mtu {
						large.Add(1)
					}
					if p.GSO() {
						marked.Add(1)
					}
					if !p.ChecksumReady() {
						unready.Add(1)
					}
					return p.Accept()
				})
				testutil.EchoTCP(t, b.client, b.server, bytes.Repeat([]byte("0123456789abcdef"), 1<<15))
				s := settled(t, b.q)
				if s.Refused > 0 {
					t.Errorf("%d verdicts refused", s.Refused)
				}
				if large.Load() != marked.Load() {
					t.Errorf("%d packets above the MTU, GSO() of %d", large.Load(), marked.Load())
				}
				if noGSO && large.Load()+unready.Load() > 0 {
					t.Errorf("%d packets above the MTU and %d without checksum, want none", large.Load(), unready.Load())
				}
				if !noGSO && (large.Load() == 0 || unready.Load() == 0) {
					t.Errorf("%d packets above the MTU and %d without checksum, want some", large.Load(), unready.Load())
				}
				wantNoChecksumErrors(t, b.receiver)
			})
		}
	}
}

// A large packet can be replaced by one of its length: the stream arrives
// changed and whole.
func TestKernelReplaceGSO(t *testing.T) {
	replace.Require(t)
	for i, lo := range loopbacks {
		t.Run(lo.name, func(t *testing.T) {
			b := newBulk(t, i, queue.Config{})
			var large atomic.Int64
			l := &lab{TB: t}
			l.judge(channel(b.q), func(p queue.Packet) error {
				if p.GSO() {
					large.Add(1)
					longer := append(p.Clone(), 0)
					if err := p.Replace(longer); !errors.Is(err, queue.ErrUnsupported) {
						t.Errorf("Replace of a GSO packet with a longer one = %v, want ErrUnsupported", err)
					}
				}
				text := p.Payload[headers(p.Payload):]
				return p.Replace(withPayload(p, strings.ToUpper(string(text))))
			})
			text := strings.Repeat("fifteen bytes, ", 1<<15)
			written := make(chan error, 1)
			go func() {
				_, err := b.client.Write([]byte(text))
				written <- err
			}()
			if got := readTCP(t, b.server, len(text)); got != strings.ToUpper(text) {
				t.Error("the text did not arrive as replaced")
			}
			if err := <-written; err != nil {
				t.Error(err)
			}
			if large.Load() == 0 {
				t.Error("no packet was above the MTU")
			}
			settled(t, b.q)
			wantNoChecksumErrors(t, b.receiver)
		})
	}
}
