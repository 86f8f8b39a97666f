package queue_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/queue"
)

// hasIPQueue reports whether the kernel has ip_queue, by opening its socket.
// ip_queue only exists in the initial network namespace, so the tests cannot
// run in a private one.
func hasIPQueue() bool {
	s, err := sock.Host().Open(sock.Config{Protocol: sock.ProtoFirewall, PositivePort: true})
	if err != nil {
		return false
	}
	defer s.Close()
	_, err = s.Send([][]byte{make([]byte, 16)}) // a message of no length is passed over
	return err == nil
}

// An ipqHost is a host with ip_queue: the real one of an old kernel, or a
// simulated one. The same scenarios run on both.
type ipqHost interface {
	// context is what Open is given.
	context() context.Context
	// family is the one of the queue and of the packets.
	family() queue.Family
	// send sends a UDP datagram with that text through the queue.
	send(t *testing.T, text string)
	// receive returns the text of the next datagram that arrives, with valid
	// checksums.
	receive(t *testing.T) string
	// quiet fails the test if another datagram has arrived, or will.
	quiet(t *testing.T)
}

// ipqScenarios are what every kernel with ip_queue must do.
var ipqScenarios = []struct {
	name string
	run  func(*testing.T, ipqHost)
}{
	{"Accept", ipqAccept},
	{"Drop", ipqDrop},
	{"Replace", ipqReplace},
	{"MetaOnly", ipqMetaOnly},
	{"Range", ipqRange},
	{"SetMode", ipqSetMode},
	{"OutOfOrder", ipqOutOfOrder},
	{"Repeat", ipqRepeat},
	{"Requeue", ipqRequeue},
	{"SecondPeer", ipqSecondPeer},
	{"UnknownID", ipqUnknownID},
	{"Overrun", ipqOverrun},
	{"CloseWithPending", ipqCloseWithPending},
	{"AcceptOnClose", ipqAcceptOnClose},
	{"ContextEnd", ipqContextEnd},
	{"Fields", ipqFields},
}

func runIPQScenarios(t *testing.T, host func(t *testing.T) ipqHost) {
	for _, s := range ipqScenarios {
		t.Run(s.name, func(t *testing.T) { s.run(t, host(t)) })
	}
}

func openIPQ(t *testing.T, h ipqHost, c queue.Config) *queue.Queue {
	t.Helper()
	c.Backend, c.Family = queue.IPQueue, h.family()
	q, err := queue.Open(h.context(), c)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { q.Close() })
	return q
}

// takeIPQ returns the next packet of the queue.
func takeIPQ(t *testing.T, q *queue.Queue) queue.Packet {
	t.Helper()
	select {
	case p, ok := <-q.Packets():
		if !ok {
			t.Fatalf("the stream ended: %v", q.Err())
		}
		return p
	case <-time.After(patience):
		t.Fatalf("no packet in %v; stats %+v", patience, q.Stats())
	}
	panic("unreachable")
}

func do(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// ipqHeaderLen is the length of the IP and UDP headers of the test's packets.
func ipqHeaderLen(h ipqHost) int {
	if h.family() == queue.IPv6 {
		return 48
	}
	return 28
}

// withText returns a copy of the packet with another text. Lengths and
// checksums stay as they were, except the IP length, which shows that the
// packet is complete.
func withText(h ipqHost, p queue.Packet, text string) []byte {
	n := ipqHeaderLen(h)
	b := append(p.Clone()[:n:n], text...)
	if h.family() == queue.IPv6 {
		b[4], b[5] = byte((len(b)-40)>>8), byte(len(b)-40)
	} else {
		b[2], b[3] = byte(len(b)>>8), byte(len(b))
	}
	return b
}

func expectText(t *testing.T, h ipqHost, want string) {
	t.Helper()
	if got := h.receive(t); got != want {
		t.Fatalf("%d bytes arrived: %.40q, want %d: %.40q", len(got), got, len(want), want)
	}
}

// expectTexts expects datagrams in any order.
func expectTexts(t *testing.T, h ipqHost, want ...string) {
	t.Helper()
	var got []string
	for range want {
		got = append(got, h.receive(t))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("%q arrived, want %q", got, want)
	}
}

func ipqAccept(t *testing.T, h ipqHost) {
	q := openIPQ(t, h, queue.Config{})
	for i := range 20 {
		text := fmt.Sprint("accept ", i)
		h.send(t, text)
		p := takeIPQ(t, q)
		if got := string(p.Payload[ipqHeaderLen(h):]); got != text {
			t.Fatalf("queued %q, want %q", got, text)
		}
		do(t, "Accept", p.Accept())
		expectText(t, h, text)
	}
	h.quiet(t)
	s := q.Stats()
	if s.Received != 20 || s.Decided != 20 || s.Undecided != 0 || s.Refused != 0 {
		t.Errorf("stats %+v", s)
	}
	if s.Kernel.Err != nil || s.Kernel.Pending != 0 {
		t.Errorf("kernel stats %+v", s.Kernel)
	}
}

func ipqDrop(t *testing.T, h ipqHost) {
	q := openIPQ(t, h, queue.Config{})
	h.send(t, "dropped")
	do(t, "Drop", takeIPQ(t, q).Drop())
	h.send(t, "accepted")
	do(t, "Accept", takeIPQ(t, q).Accept())
	expectText(t, h, "accepted")
	h.quiet(t)
}

// ipqReplace replaces packets by others of all lengths: with an nlmsg_len that
// is rounded to four the kernel would use the original for three of four.
func ipqReplace(t *testing.T, h ipqHost) {
	q := openIPQ(t, h, queue.Config{})
	for _, n := range []int{0, 1, 2, 3, 4, 5, 9, 10, 11, 12, 101, 1200, 1401} {
		h.send(t, "0123456789")
		p := takeIPQ(t, q)
		text := strings.Repeat("r", n)
		do(t, "Replace", p.Replace(withText(h, p, text)))
		expectText(t, h, text)
	}
	h.quiet(t)
	if s := q.Stats(); s.Replaced != 13 {
		t.Errorf("Replaced %d, want 13", s.Replaced)
	}
}

func ipqMetaOnly(t *testing.T, h ipqHost) {
	q := openIPQ(t, h, queue.Config{Mode: queue.MetaOnly})
	h.send(t, "unseen")
	p := takeIPQ(t, q)
	if len(p.Payload) != 0 {
		t.Errorf("payload of %d bytes in mode MetaOnly", len(p.Payload))
	}
	do(t, "Accept", p.Accept())
	expectText(t, h, "unseen")
}

func ipqRange(t *testing.T, h ipqHost) {
	text := strings.Repeat("x", 500)
	for _, n := range []int{1, 2, 3, 40, 60, 61, 400} {
		q := openIPQ(t, h, queue.Config{Mode: queue.Range(n)})
		h.send(t, text)
		p := takeIPQ(t, q)
		if len(p.Payload) != n {
			t.Fatalf("payload of %d bytes with Range(%d)", len(p.Payload), n)
		}
		if n >= 40 && (!p.Truncated() || int(p.Length) != ipqHeaderLen(h)+len(text)) {
			t.Errorf("Truncated %v, Length %d with Range(%d)", p.Truncated(), p.Length, n)
		}
		do(t, "Accept", p.Accept())
		expectText(t, h, text)
		q.Close()
	}
}

func ipqSetMode(t *testing.T, h ipqHost) {
	q := openIPQ(t, h, queue.Config{Buffer: -1})
	for _, m := range []queue.Mode{queue.MetaOnly, queue.Range(33), queue.WholePacket} {
		h.send(t, "before")
		p := takeIPQ(t, q)
		do(t, "SetMode", q.SetMode(h.context(), m))
		do(t, "Accept", p.Accept())
		expectText(t, h, "before")
		h.send(t, "after")
		p = takeIPQ(t, q)
		want := map[queue.Mode]int{queue.MetaOnly: 0, queue.Range(33): 33, queue.WholePacket: ipqHeaderLen(h) + 5}[m]
		if len(p.Payload) != want {
			t.Errorf("payload of %d bytes in mode %v, want %d", len(p.Payload), m, want)
		}
		do(t, "Accept", p.Accept())
		expectText(t, h, "after")
	}
	do(t, "SetMode", q.SetMode(h.context(), queue.DropAll))
	h.send(t, "nobody sees this")
	h.quiet(t)
}

func ipqOutOfOrder(t *testing.T, h ipqHost) {
	q := openIPQ(t, h, queue.Config{})
	const n = 50
	var held []queue.Packet
	for i := range n {
		h.send(t, fmt.Sprint(i))
	}
	for range n {
		held = append(held, takeIPQ(t, q))
	}
	done := make(chan error, n)
	for i := range held {
		go func() { done <- held[(i*7+3)%n].Accept() }()
	}
	for range n {
		do(t, "Accept", <-done)
	}
	seen := make(map[string]bool)
	for range n {
		seen[h.receive(t)] = true
	}
	if len(seen) != n {
		t.Errorf("%d different datagrams arrived, want %d", len(seen), n)
	}
	if s := q.Stats(); s.Decided != n || s.Refused != 0 {
		t.Errorf("stats %+v", s)
	}
}

func ipqRepeat(t *testing.T, h ipqHost)  { ipqAgain(t, h, queue.Repeat) }
func ipqRequeue(t *testing.T, h ipqHost) { ipqAgain(t, h, queue.Requeue) }

// ipqAgain gives a verdict after which the packet is queued once more.
func ipqAgain(t *testing.T, h ipqHost, a queue.Action) {
	q := openIPQ(t, h, queue.Config{})
	h.send(t, "again")
	do(t, a.String(), takeIPQ(t, q).Decide(queue.Verdict{Action: a}))
	do(t, "Accept", takeIPQ(t, q).Accept())
	expectText(t, h, "again")
	if s := q.Stats(); s.Received != 2 || s.Decided != 2 || s.Gone != 0 {
		t.Errorf("stats %+v", s)
	}
}
