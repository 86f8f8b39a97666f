package queue_test

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ipqueue/ipqueue/internal/leak"
	"github.com/ipqueue/ipqueue/internal/netns"
	"github.com/ipqueue/ipqueue/queue"
)

// awaitOut waits until the output interface of the packet has that name.
func awaitOut(t testing.TB, p queue.Packet, want string) {
	t.Helper()
	eventually(t, "the output interface is named "+want, func() bool { return p.Out().Name() == want })
}

// addLink makes a link of that name, which sends to 10.0.9.0/24.
func (l *lab) addLink(name string) netns.Link {
	l.Helper()
	link, _, err := l.ns.AddVeth(name, l.ns, name+"peer")
	if err != nil {
		l.Fatal(err)
	}
	for _, err := range []error{link.AddAddr(netip.MustParsePrefix("10.0.9.1/24")), link.SetUp()} {
		if err != nil {
			l.Fatal(err)
		}
	}
	return link
}

// packetTo9 returns a packet that is about to leave for 10.0.9.0/24.
func (l *lab) packetTo9(q *queue.Queue) queue.Packet {
	l.Helper()
	var client net.Conn
	err := l.ns.Do(func() (err error) {
		client, err = net.Dial("udp", "10.0.9.2:9")
		return err
	})
	if err != nil {
		l.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Write([]byte("who carries this?")); err != nil {
		l.Fatal(err)
	}
	return take(l, q, 1)[0]
}

func wantOut(t testing.TB, p queue.Packet, link netns.Link) {
	t.Helper()
	if got, want := deviceOf(p.Out()), (device{link.Index, link.Name}); got != want {
		t.Errorf("Out = %+v, want %+v", got, want)
	}
}

// TestKernelLinksFollow checks that changes of a link also show in the names of
// earlier packets.
func TestKernelLinksFollow(t *testing.T) {
	l := newLab(t)
	l.queueUDP()
	q := l.open(queue.Config{})
	first := l.addLink("first")
	p := l.packetTo9(q)
	wantOut(t, p, first)
	if err := first.SetDown(); err != nil {
		t.Fatal(err)
	}
	renamed, err := first.Rename("renamed")
	if err != nil {
		t.Fatal(err)
	}
	awaitOut(t, p, "renamed")
	wantOut(t, p, renamed)
	if err := renamed.Delete(); err != nil {
		t.Fatal(err)
	}
	awaitOut(t, p, "")

	second := l.addLink("renamed")
	if second.Index == first.Index {
		t.Fatalf("the new link has the index of the old one, %d", first.Index)
	}
	wantOut(t, l.packetTo9(q), second)
	if got := deviceOf(p.Out()); got != (device{Index: first.Index}) {
		t.Errorf("Out = %+v for a link that is gone, want its index alone", got)
	}
}

// Names are those of the queue's namespace, in which the numbers mean others
// than in the caller's. Config.NetNS is needed by Open only.
func TestKernelLinksElsewhere(t *testing.T) {
	l := newLab(t)
	l.queueUDP()
	fd, err := unix.Dup(l.ns.FD())
	if err != nil {
		t.Fatal(err)
	}
	q, err := queue.Open(l.ctx, queue.Config{NetNS: fd})
	if err := errors.Join(err, unix.Close(fd)); err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	setMode(t, q, queue.Range(100))
	link := l.addLink("only-there")
	p := l.packetTo9(q)
	wantOut(t, p, link)
	if got := p.Out().String(); got != "only-there" {
		t.Errorf("Out is %q, want only-there", got)
	}
	accept(t, p)
	if err := link.Delete(); err != nil {
		t.Fatal(err)
	}
	awaitOut(t, p, "")
	if s := settled(t, q); s.Kernel.LastID != 1 {
		t.Errorf("the kernel's row is that of another namespace: %+v", s.Kernel)
	}
}

// Nothing is opened before the first name is asked for, and nothing of it is
// left after Close. Other goroutines may be at work for a moment, those of
// timers for example.
func TestKernelLinksAreOpenedLate(t *testing.T) {
	l := newLab(t)
	l.queueUDP()
	q := l.open(queue.Config{})
	l.addLink("link")
	p := l.packetTo9(q)
	before := leak.Take()
	if p.Out().Index == 0 {
		t.Error("Out has no index")
	}
	for _, opened := range before.Leaks(patience) {
		t.Errorf("the index opened %s", opened)
	}
	if got := p.Out().Name(); got != "link" {
		t.Errorf("Out is named %q, want link", got)
	}
	var opened []string
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		if opened = before.Leaks(0); len(opened) == 2 || time.Now().After(end) {
			break
		}
	}
	if len(opened) != 2 {
		t.Errorf("the first name opened %d things, want a goroutine and a descriptor:\n%s", len(opened), strings.Join(opened, "\n"))
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	for _, left := range before.Leaks(patience) {
		t.Errorf("Close left %s", left)
	}
	// A new link goes on to change for a second or two, and each change lets
	// the queue forget.
	if got := p.Out().Name(); got != "link" && got != "" {
		t.Errorf("Out is named %q after Close, want link, or nothing", got)
	}
}
