package queue_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/ipqueue/ipqueue/internal/netns"
	"github.com/ipqueue/ipqueue/internal/testutil"
	"github.com/ipqueue/ipqueue/internal/testutil/replace"
	"github.com/ipqueue/ipqueue/queue"
)

// headers returns the length of the IP header, without options, and of the
// transport header of an unfragmented UDP, TCP or ICMP packet.
func headers(b []byte) int {
	n, protocol := 20, b[9]
	if b[0]>>4 == 6 {
		n, protocol = 40, b[6]
	}
	if protocol == byte(netns.TCP) {
		return n + int(b[n+12]>>4)*4
	}
	return n + 8
}

// withPayload is the packet with another transport payload. A shorter one is
// declared in the IP header; all other lengths and the checksums are Replace's.
func withPayload(p queue.Packet, payload string) []byte {
	b := append(p.Clone()[:headers(p.Payload)], payload...)
	switch short := len(b) < int(p.Length); {
	case short && p.Family == queue.IPv6:
		binary.BigEndian.PutUint16(b[4:], uint16(len(b)-40))
	case short:
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	}
	return b
}

func TestKernelReplaceUDP(t *testing.T) {
	replace.Require(t)
	testutil.RequireKernel(t)
	testutil.CheckLeaks(t)
	original := strings.Repeat("original ", 100)
	for _, path := range paths(t) {
		t.Run(path.name, func(t *testing.T) {
			l := labIn(t, path.rules)
			f := newFlow(t, path.from, path.to, path.addr)
			l.chain(path.hook, 0, toQueue(0))
			q := l.open(queue.Config{})
			sizes := []int{0, 1, 2, 7, 8, len(original) - 1, len(original), len(original) + 1, 1400, 1401}
			if path.from == path.to {
				sizes = append(sizes, 9001, 32768, 65531-48)
			}
			for _, size := range sizes {
				want := strings.Repeat("x", size)
				f.send(original)
				p := take(t, q, 1)[0]
				if err := p.Replace(withPayload(p, want)); err != nil {
					t.Fatalf("%d bytes: %v", size, err)
				}
				f.want(want)
			}
			n := uint64(len(sizes))
			wantStats(t, settled(t, q), queue.Stats{Received: n, Decided: n, Accepted: n, Replaced: n})
			wantNoChecksumErrors(t, path.to)
		})
	}
}

// wantNoChecksumErrors checks that the namespace has received no wrong
// checksum.
func wantNoChecksumErrors(t *testing.T, n *netns.Namespace) {
	t.Helper()
	for name, value := range checksumErrors(t, n) {
		if value != 0 {
			t.Errorf("%s = %d, want 0", name, value)
		}
	}
}

// The packet's own bytes may be changed in place and given back.
func TestKernelReplaceInPlace(t *testing.T) {
	replace.Require(t)
	for _, lo := range loopbacks {
		t.Run(lo.name, func(t *testing.T) {
			l := newLab(t)
			f := l.flow(lo.addr)
			l.queueUDP()
			q := l.open(queue.Config{})
			f.send("upper case")
			p := take(t, q, 1)[0]
			text := p.Payload[headers(p.Payload):]
			copy(text, bytes.ToUpper(text))
			if err := p.Replace(p.Payload); err != nil {
				t.Fatal(err)
			}
			f.want("UPPER CASE")
			settled(t, q)
			wantNoChecksumErrors(t, l.ns)
		})
	}
}

// A replaced TCP segment of equal length arrives as part of the stream.
func TestKernelReplaceTCP(t *testing.T) {
	replace.Require(t)
	testutil.RequireKernel(t)
	testutil.CheckLeaks(t)
	for _, path := range paths(t) {
		t.Run(path.name, func(t *testing.T) {
			l := labIn(t, path.rules)
			client, server := testutil.TCP(t, path.from, path.to, path.addr)
			port := server.LocalAddr().(interface{ AddrPort() netip.AddrPort }).AddrPort().Port()
			l.chain(path.hook, 0, netns.Rule{
				Protocol: netns.TCP, DstPort: port, Action: netns.Enqueue,
			})
			q := l.open(queue.Config{})
			l.judge(channel(q), func(p queue.Packet) error {
				upper := bytes.ToUpper(p.Payload[headers(p.Payload):])
				return p.Replace(withPayload(p, string(upper)))
			})
			for _, text := range []string{"a", "be", "sea", strings.Repeat("long ", 281)} {
				if _, err := client.Write([]byte(text)); err != nil {
					t.Fatal(err)
				}
				want := strings.ToUpper(text)
				if got := readTCP(t, server, len(want)); got != want {
					t.Errorf("received %.40q, want %.40q", got, want)
				}
			}
			if s := settled(t, q); s.Replaced < 4 || s.Replaced != s.Received {
				t.Errorf("%d of %d packets replaced", s.Replaced, s.Received)
			}
			wantNoChecksumErrors(t, path.to)
		})
	}
}

// A ping's request and reply are replaced by others of any length.
func TestKernelReplaceICMP(t *testing.T) {
	replace.Require(t)
	for _, lo := range loopbacks {
		t.Run(lo.name, func(t *testing.T) {
			l := newLab(t)
			protocol, request, reply := netns.ICMP, byte(8), byte(0)
			if lo.addr.Is6() {
				protocol, request, reply = netns.ICMPv6, 128, 129
			}
			l.chain(netns.Output, 0, netns.Rule{Protocol: protocol, Action: netns.Enqueue})
			q := l.open(queue.Config{})
			const sent = "what the pinger sent, and gets back"
			for _, onTheWay := range []string{"", "odd", "even", strings.Repeat("equal", 7), strings.Repeat("longer", 99)} {
				pinged := make(chan error, 1)
				go func() { pinged <- testutil.Ping(l.ns, lo.addr, []byte(sent), patience) }()
				replaceText(t, take(t, q, 1)[0], request, sent, onTheWay)
				replaceText(t, take(t, q, 1)[0], reply, onTheWay, sent)
				if err := <-pinged; err != nil {
					t.Errorf("replaced by %d bytes: %v", len(onTheWay), err)
				}
			}
			wantStats(t, settled(t, q), queue.Stats{Received: 10, Decided: 10, Accepted: 10, Replaced: 10})
		})
	}
}

// replaceText wants an ICMP message of that type and text, and replaces the
// text.
func replaceText(t *testing.T, p queue.Packet, kind byte, text, by string) {
	t.Helper()
	header := headers(p.Payload)
	if got := p.Payload[header-8]; got != kind {
		t.Errorf("ICMP type %d, want %d", got, kind)
	}
	if got := string(p.Payload[header:]); got != text {
		t.Errorf("the packet has text %q, want %q", got, text)
	}
	if err := p.Replace(withPayload(p, by)); err != nil {
		t.Fatal(err)
	}
}

// What Replace repairs, ReplaceRaw does not: the receiver's kernel drops a
// packet with a bad checksum and counts it.
func TestKernelReplaceRaw(t *testing.T) {
	replace.Require(t)
	for _, lo := range loopbacks {
		t.Run(lo.name, func(t *testing.T) {
			l := newLab(t)
			f := l.flow(lo.addr)
			l.chain(netns.Output, 0, toQueue(0))
			q := l.open(queue.Config{})
			for _, step := range []struct {
				name    string
				replace func(p queue.Packet, b []byte) error
				arrives bool
			}{
				{"bad", queue.Packet.ReplaceRaw, false},
				{"good", queue.Packet.Replace, true},
			} {
				f.send("original " + step.name)
				p := take(t, q, 1)[0]
				b := withPayload(p, "replaced "+step.name)
				checksum := b[headers(b)-2 : headers(b)]
				binary.BigEndian.PutUint16(checksum, 0xdead)
				if err := step.replace(p, b); err != nil {
					t.Fatal(err)
				}
			}
			f.want("replaced good")
			f.wantNothing()
			wantStats(t, settled(t, q), queue.Stats{Received: 2, Decided: 2, Accepted: 2, Replaced: 2})
			name := "Udp: InCsumErrors"
			if lo.addr.Is6() {
				name = "Udp6InCsumErrors"
			}
			if got := checksumErrors(t, l.ns)[name]; got != 1 {
				t.Errorf("%s = %d, want 1", name, got)
			}
		})
	}
}

// A whole packet with good checksums passes ReplaceRaw as it is.
func TestKernelReplaceRawUnchanged(t *testing.T) {
	replace.Require(t)
	l := newLab(t)
	near, far := testutil.Veth(t, l.ns, testutil.NewNamespace(t), 1)
	f := newFlow(t, near.NS, far.NS, far.IPv4)
	// At Prerouting of the receiver, with segments, the checksum is complete.
	r := labIn(t, far.NS)
	r.chain(netns.Prerouting, 0, toQueue(0))
	q := r.open(queue.Config{NoGSO: true})
	f.send("as it is")
	p := take(t, q, 1)[0]
	if err := p.ReplaceRaw(p.Payload); err != nil {
		t.Fatal(err)
	}
	f.want("as it is")
	settled(t, q)
}

// A packet of which only the beginning was copied can be accepted but not
// given back.
func TestKernelReplaceTruncated(t *testing.T) {
	replace.Require(t)
	for _, lo := range loopbacks {
		t.Run(lo.name, func(t *testing.T) {
			l := newLab(t)
			f := l.flow(lo.addr)
			l.queueUDP()
			q := l.open(queue.Config{Mode: queue.Range(64)})
			whole := strings.Repeat("whole ", 100)
			f.send(whole)
			p := take(t, q, 1)[0]
			if len(p.Payload) != 64 || !p.Truncated() {
				t.Errorf("%d bytes, Truncated %t, want 64, true", len(p.Payload), p.Truncated())
			}
			if err := p.Replace(p.Payload); !errors.Is(err, queue.ErrTruncated) {
				t.Errorf("Replace with the cut copy = %v, want ErrTruncated", err)
			}
			// A new packet that is complete may stand in for it.
			b := withPayload(p, "new")
			given := bytes.Clone(b)
			if err := p.Replace(b); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(b, given) {
				t.Error("Replace changed the caller's bytes")
			}
			f.want("new")
			wantStats(t, settled(t, q), queue.Stats{Received: 1, Decided: 1, Accepted: 1, Replaced: 1})
		})
	}
}

// TestKernelReplaceAndRepeat replaces a packet with a verdict other than
// Accept.
func TestKernelReplaceAndRepeat(t *testing.T) {
	replace.Require(t)
	l := newLab(t)
	f := l.flow(loopback4)
	l.queueUDP()
	q := l.open(queue.Config{})
	f.send("first")
	p := take(t, q, 1)[0]
	err := p.Decide(queue.Verdict{Action: queue.Repeat, Payload: withPayload(p, "second time"), Mark: 9})
	if err != nil {
		t.Fatal(err)
	}
	p = take(t, q, 1)[0]
	if p.Mark != 9 || string(p.Payload[28:]) != "second time" {
		t.Errorf("repeated packet has mark %d and payload %q", p.Mark, p.Payload[28:])
	}
	if err := p.Accept(); err != nil {
		t.Fatal(err)
	}
	f.want("second time")
	wantStats(t, settled(t, q), queue.Stats{Received: 2, Decided: 2, Repeated: 1, Accepted: 1, Replaced: 1})
}

// What a replacement changes of the IP header arrives, or is refused by kernels
// that would drop the packet.
func TestKernelReplaceHeader(t *testing.T) {
	replace.Require(t)
	for name, change := range map[string]func(b []byte) []byte{
		"time to live":   func(b []byte) []byte { b[8] = 7; return b },
		"don't fragment": func(b []byte) []byte { b[6] ^= 0x40; return b },
		"options": func(b []byte) []byte {
			b[0]++
			binary.BigEndian.PutUint16(b[2:], uint16(len(b)+4))
			return slices.Concat(b[:20], []byte{1, 1, 1, 0}, b[20:])
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			f := l.flow(loopback4)
			l.queueUDP()
			q := l.open(queue.Config{})
			f.send("arrives")
			p := take(t, q, 1)[0]
			err := p.Replace(change(p.Clone()))
			if name == "options" && errors.Is(err, queue.ErrUnsupported) && strings.Contains(err.Error(), "Linux 7.2") {
				err = p.Accept()
			}
			if err != nil {
				t.Fatal(err)
			}
			f.want("arrives")
			settled(t, q)
		})
	}
}
