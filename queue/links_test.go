package queue_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/queue"
)

// nfqueueKinds contains only nfnetlink_queue, which reports the indexes of
// interfaces.
var nfqueueKinds = []kind{nfqueueKind}

// packetFrom returns a packet that came by eth0, on an open queue.
func packetFrom(s *sim) queue.Packet {
	s.Helper()
	s.open(queue.Config{})
	s.injectPacket(kerneltest.Packet{In: eth0})
	return s.next()
}

func wantIn(s *sim, p queue.Packet, want string) {
	s.Helper()
	s.quiet()
	for range 2 {
		if got, want := deviceOf(p.In()), (device{int(eth0.Index), want}); got != want {
			s.Errorf("In = %+v, want %+v", got, want)
		}
	}
}

func wantLookups(s *sim, want int) {
	s.Helper()
	if got := s.kernel.Lookups(); got != want {
		s.Errorf("the kernel was asked for %d names, want %d", got, want)
	}
}

func TestLinksAreRemembered(t *testing.T) {
	simulate(t, nfqueueKinds, kerneltest.Options{}, func(s *sim) {
		p := packetFrom(s)
		if n := len(s.kernel.Sockets()); n != 1 {
			s.Errorf("%d sockets are open before the first name, want 1", n)
		}
		wantIn(s, p, "eth0")
		wantIn(s, p, "eth0")
		if n := testing.AllocsPerRun(100, func() { p.In().Name() }); n != 0 {
			s.Errorf("Name of a remembered name allocates %v times, want 0", n)
		}
		wantLookups(s, 1)
		s.ok(p.Accept())
	})
}

func TestLinksFollowChanges(t *testing.T) {
	simulate(t, nfqueueKinds, kerneltest.Options{}, func(s *sim) {
		p := packetFrom(s)
		wantIn(s, p, "eth0")
		for _, name := range []string{"uplink", "", "eth0"} {
			s.kernel.SetLink(eth0.Index, name)
			wantIn(s, p, name)
		}
		s.ok(p.Accept())
	})
}

// A watch that missed something forgets everything.
func TestLinksOverrun(t *testing.T) {
	simulate(t, nfqueueKinds, kerneltest.Options{}, func(s *sim) {
		p := packetFrom(s)
		wantIn(s, p, "eth0")
		s.socket().Overrun()
		s.kernel.SetLink(eth0.Index, "eth1") // which the watch may not be told
		wantIn(s, p, "eth1")
		s.kernel.SetLink(eth0.Index, "eth2")
		wantIn(s, p, "eth2")
		s.ok(p.Accept())
	})
}

// Where changes cannot be watched nothing is remembered.
func TestLinksUnwatchable(t *testing.T) {
	simulate(t, nfqueueKinds, kerneltest.Options{NoLinks: true}, func(s *sim) {
		p := packetFrom(s)
		wantIn(s, p, "eth0")
		s.kernel.SetLink(eth0.Index, "eth1")
		wantIn(s, p, "eth1")
		wantLookups(s, 4)
		s.ok(p.Accept())
	})
}

// A watch that dies leaves nothing remembered.
func TestLinksWatchDies(t *testing.T) {
	simulate(t, nfqueueKinds, kerneltest.Options{}, func(s *sim) {
		p := packetFrom(s)
		wantIn(s, p, "eth0")
		s.socket().FailReceive(errors.New("dead"))
		s.quiet()
		s.kernel.SetLink(eth0.Index, "eth1")
		wantIn(s, p, "eth1")
		wantLookups(s, 3)
		s.ok(p.Accept())
	})
}

func TestLinksAfterClose(t *testing.T) {
	simulate(t, nfqueueKinds, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		s.injectPacket(kerneltest.Packet{In: eth0, Out: eth1})
		p := s.next()
		wantIn(s, p, "eth0")
		s.ok(s.q.Close())
		wantIn(s, p, "eth0")
		if got, want := deviceOf(p.Out()), (device{Index: int(eth1.Index)}); got != want {
			s.Errorf("Out = %+v after Close, want %+v", got, want)
		}
	})
}

// The first name of all may be asked for after Close.
func TestLinksFirstAfterClose(t *testing.T) {
	simulate(t, nfqueueKinds, kerneltest.Options{}, func(s *sim) {
		p := packetFrom(s)
		s.ok(s.q.Close())
		wantIn(s, p, "")
		wantLookups(s, 0)
	})
}

// A renamingKernel renames eth0 between each answer and its arrival.
type renamingKernel struct{ *kerneltest.Kernel }

func (k renamingKernel) Open(c sock.Config) (sock.Socket, error) {
	s, err := k.Kernel.Open(c)
	return renamingSocket{s, k.Kernel}, err
}

type renamingSocket struct {
	sock.Socket
	k *kerneltest.Kernel
}

func (s renamingSocket) LinkName(index uint32) (string, error) {
	name, err := s.Socket.LinkName(index)
	s.k.SetLink(index, name+"+")
	synctest.Wait() // the watch has seen it
	return name, err
}

// An answer that is older than the last change is not remembered.
func TestLinksRenamedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, nfqueueKind, kerneltest.Options{})
		s.ctx = sock.WithKernel(s.ctx, renamingKernel{s.kernel})
		p := packetFrom(s)
		for _, want := range []string{"eth0", "eth0+", "eth0++"} {
			if got := p.In().Name(); got != want {
				t.Errorf("In is named %q, want %q", got, want)
			}
		}
		s.ok(p.Accept())
	})
}

// TestLinksNotOfIPQueue checks that nothing is watched for ip_queue, which
// reports names.
func TestLinksNotOfIPQueue(t *testing.T) {
	simulate(t, []kind{ipqueueKind}, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		s.injectPacket(kerneltest.Packet{In: eth0})
		p := s.next()
		if got, want := deviceOf(p.In()), (device{Name: "eth0"}); got != want {
			s.Errorf("In = %+v, want %+v", got, want)
		}
		wantLookups(s, 0)
		s.ok(p.Accept())
	})
}

// TestWatchDevices checks that with Config.WatchDevices, Name needs nothing
// that Open has not opened.
func TestWatchDevices(t *testing.T) {
	simulate(t, nfqueueKinds, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{WatchDevices: true})
		before := len(s.kernel.Sockets())
		if before != 2 {
			s.Errorf("%d sockets are open after Open, want 2", before)
		}
		s.injectPacket(kerneltest.Packet{In: eth0})
		p := s.next()
		wantIn(s, p, "eth0")
		s.kernel.SetLink(eth0.Index, "uplink")
		wantIn(s, p, "uplink")
		if n := len(s.kernel.Sockets()); n != before {
			s.Errorf("%d sockets are open after the first name, want %d", n, before)
		}
		s.ok(p.Accept())
	})
}

func TestWatchDevicesRefused(t *testing.T) {
	k := kerneltest.New(kerneltest.Options{NoLinks: true})
	q, err := queue.Open(sock.WithKernel(t.Context(), k), queue.Config{WatchDevices: true})
	if q != nil || !errors.Is(err, queue.ErrUnsupported) || !strings.Contains(err.Error(), "Config.WatchDevices") {
		t.Errorf("Open = %v, %v, want %v and the field's name", q, err, queue.ErrUnsupported)
	}
	if n := len(k.Sockets()); n != 0 {
		t.Errorf("%d sockets are left open", n)
	}
}

// ip_queue reports names, so there is nothing to watch.
func TestWatchDevicesOfIPQueue(t *testing.T) {
	k := kerneltest.New(kerneltest.Options{Modules: kerneltest.IPQueue, NoLinks: true})
	q, err := queue.Open(sock.WithKernel(t.Context(), k), queue.Config{WatchDevices: true})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	if n := len(k.Sockets()); n != 1 {
		t.Errorf("%d sockets are open, want 1", n)
	}
}
