package queue_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/queue"
)

// eth0 goes down to make the kernel give packets up.
var eth0 = kerneltest.Device{Index: 1 << 20, Name: "eth0"}

func (s *sim) injectByEth0() *kerneltest.Journey {
	return s.injectPacket(kerneltest.Packet{In: eth0})
}

// ipQueueKinds are ip_queue and ip6_queue.
func ipQueueKinds() []kind { return kinds()[1:] }

// TestGoneBeforeVerdict reuses the id of a packet that the application still
// holds. Its verdict must not decide the new packet.
func TestGoneBeforeVerdict(t *testing.T) {
	simulate(t, ipQueueKinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		s.injectByEth0()
		old := s.next()
		s.kernel.LinkDown(eth0)
		j := s.injectOne()
		p := s.next()
		if p.ID != old.ID {
			s.Fatalf("ids %#x and %#x, want the same", old.ID, p.ID)
		}
		for name, call := range every {
			if err := call(old); !errors.Is(err, queue.ErrGone) && name != "Replace nil" {
				s.Errorf("%s: %v, want ErrGone", name, err)
			}
		}
		s.quiet()
		if n := len(s.sentSoFar()); n != 0 {
			s.Errorf("%d datagrams were sent", n)
		}
		s.fate(j, kerneltest.Pending)
		s.ok(p.Accept())
		s.fate(j, kerneltest.Accepted)
		if n := s.stats(); n.Gone != 1 || n.Decided != 1 || n.Received != 2 {
			s.Errorf("%+v, want 1 gone and 1 decided", n)
		}
	})
}

// TestGoneUnread puts two packets with the same id into the socket before
// either is read.
func TestGoneUnread(t *testing.T) {
	simulate(t, ipQueueKinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		s.injectByEth0()
		s.kernel.LinkDown(eth0)
		j := s.injectOne()
		p := s.nextN(2)
		if err := p[0].Drop(); !errors.Is(err, queue.ErrGone) {
			s.Errorf("%v, want ErrGone", err)
		}
		s.ok(p[1].Accept())
		s.fate(j, kerneltest.Accepted)
	})
}

// TestGoneWhileWaiting uses the id again while the verdict waits to be sent
// behind another one.
func TestGoneWhileWaiting(t *testing.T) {
	simulate(t, ipQueueKinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		first := s.injectOne()
		s.injectByEth0()
		p := s.nextN(2)
		release := s.holdSends()
		go p[0].Accept()
		synctest.Wait()
		s.ok(p[1].Drop())
		s.kernel.LinkDown(eth0)
		j := s.injectOne()
		again := s.next()
		if again.ID != p[1].ID {
			s.Fatalf("ids %#x and %#x, want the same", p[1].ID, again.ID)
		}
		release()
		s.fate(first, kerneltest.Accepted)
		s.fate(j, kerneltest.Pending)
		if err := p[1].Accept(); err == nil {
			s.Error("a second verdict for a packet that is gone succeeded")
		}
		s.ok(again.Accept())
		s.fate(j, kerneltest.Accepted)
		if n := s.stats(); n.Gone != 1 || n.Decided != 2 || n.Undecided != 0 {
			s.Errorf("%+v, want 1 gone, 2 decided", n)
		}
	})
}

// TestIDUsedAgainAtOnce reuses an id before the system call that decided its
// first packet has returned. No packet is gone, and the end of the first packet
// must not be taken for that of the second, whose id is then reused as well.
func TestIDUsedAgainAtOnce(t *testing.T) {
	simulate(t, ipQueueKinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		j := s.inject(3)
		p := s.nextN(3)
		release := s.holdSends()
		go p[0].Accept()
		synctest.Wait()
		s.ok(p[1].Accept())
		s.ok(p[2].Accept())
		// The sends of the second run: the first passes, the next waits.
		held, sends := make(chan struct{}), 0
		release()
		s.setOnSend(func([]byte) {
			if sends++; sends == 2 {
				<-held
			}
		})
		s.quiet()
		if sends < 2 {
			s.Skip("needs a slower writer: the verdicts were sent before the hook was there")
		}
		s.injectByEth0()
		twin := s.next()
		close(held)
		s.fates(j, kerneltest.Accepted)
		if twin.ID != p[1].ID {
			s.Fatalf("id %#x, want that of the second packet, %#x", twin.ID, p[1].ID)
		}
		s.quiet()
		if n := s.stats(); n.Gone != 0 || n.Decided != 3 {
			s.Errorf("%d gone, %d decided, want 0 and 3", n.Gone, n.Decided)
		}
		s.kernel.LinkDown(eth0)
		third := s.injectOne()
		if last := s.next(); last.ID != twin.ID {
			s.Errorf("id %#x, want %#x once more", last.ID, twin.ID)
		} else {
			s.ok(last.Drop())
		}
		s.fate(third, kerneltest.Dropped)
		if err := twin.Drop(); !errors.Is(err, queue.ErrGone) {
			s.Errorf("%v, want ErrGone", err)
		}
		if n := s.stats(); n.Gone != 1 || n.Decided != 4 {
			s.Errorf("%d gone, %d decided, want 1 and 4", n.Gone, n.Decided)
		}
		for range 200 { // in the slots of the others, too
			s.injectOne()
			s.ok(s.next().Accept())
		}
	})
}

// TestGoneMakesRoom removes a packet whose verdict must be sent again, while
// the reader waits because of MaxUndecided.
func TestGoneMakesRoom(t *testing.T) {
	simulate(t, ipQueueKinds(), kerneltest.Options{}, func(s *sim) {
		tap := s.tapped()
		s.open(queue.Config{MaxUndecided: 2})
		s.injectByEth0()
		p := s.next()
		held := make(chan struct{})
		tap.onSend = func([][]byte) { <-held }
		go p.Drop()
		synctest.Wait()
		s.kernel.LinkDown(eth0)
		s.injectOne()
		s.next()
		s.injectOne()
		s.none()
		s.socket().FailSend(0, 1, enobufs)
		close(held)
		time.Sleep(10 * time.Millisecond)
		s.next()
		if n := s.stats(); n.Gone != 1 || n.Undecided != 2 {
			s.Errorf("%d gone, %d undecided, want 1 and 2", n.Gone, n.Undecided)
		}
	})
}

// TestHighIDs uses ids like those of real kernels: addresses with the highest
// bit set.
func TestHighIDs(t *testing.T) {
	simulate(t, ipQueueKinds(), kerneltest.Options{}, func(s *sim) {
		s.openTelling(queue.Config{})
		id := ^uint64(0) - 15
		if s.words.WordSize() == 4 {
			id = 0xfffffff0
		}
		s.kernel.ForceID(s.family, id)
		j := s.injectOne()
		p := s.next()
		if p.ID != id {
			s.Errorf("ID %#x, want %#x", p.ID, id)
		}
		s.kernel.RefuseVerdicts(1, enoent)
		s.ok(p.Replace(s.unrepaired(pattern(60000))))
		if got := s.refused(); len(got) != 1 || got[0].id != id {
			s.Errorf("OnRefused was told %v, want id %#x", got, id)
		}
		s.fate(j, kerneltest.Pending)
	})
}

// TestQueueLengthSysctl sets the one limit of the machine.
func TestQueueLengthSysctl(t *testing.T) {
	simulate(t, nativeKinds(), kerneltest.Options{}, func(s *sim) {
		file := "/proc/sys/net/ipv4/ip_queue_maxlen"
		if s.isSix() {
			file = "/proc/sys/net/ipv6/ip6_queue_maxlen"
		}
		for _, n := range []int{0, 77} {
			s.open(queue.Config{QueueLength: n})
			text, err := s.kernel.ReadFile(file)
			s.ok(err)
			want := n
			if n == 0 {
				want = 1024
			}
			if got, _ := strconv.Atoi(strings.TrimSpace(string(text))); got != want {
				s.Errorf("QueueLength %d: %s is %d, want %d", n, file, got, want)
			}
			s.ok(s.q.Close())
		}
	})
}

// TestIPQueueStatus reads /proc/net/ip_queue and /proc/net/ip6_queue.
func TestIPQueueStatus(t *testing.T) {
	simulate(t, ipQueueKinds(), kerneltest.Options{MaxLength: 5}, func(s *sim) {
		s.open(queue.Config{ReadBuffer: 1 << 20})
		s.inject(8)
		if n := s.stats().Kernel; n.Err != nil || n.Pending != 5 || n.QueueDropped != 3 {
			s.Errorf("%+v, want 5 pending, 3 dropped", n)
		}
		s.nextN(5)
	})
}
