package queue_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"syscall"
	"testing"

	"github.com/ipqueue/ipqueue/internal/netns"
	"github.com/ipqueue/ipqueue/internal/testutil"
	"github.com/ipqueue/ipqueue/queue"
	"github.com/ipqueue/ipqueue/wire"
)

// status is the kernel's row of a queue.
func (l *lab) status(number uint16) wire.NFQStatus {
	l.Helper()
	var text []byte
	err := l.ns.Do(func() (err error) {
		text, err = os.ReadFile("/proc/thread-self/net/netfilter/nfnetlink_queue")
		return err
	})
	if err != nil {
		l.Fatal(err)
	}
	s, ok, err := wire.ParseNFQStatus(text, number)
	if !ok || err != nil {
		l.Fatalf("the kernel has no row of queue %d: %v", number, err)
	}
	return s
}

// halt stops the helper and returns when none of its threads runs any more.
func (h *helper) halt() (resume func()) {
	h.t.Helper()
	goOn, err := testutil.Halt(h.cmd.Process)
	if err != nil {
		h.t.Fatal(err)
	}
	return func() {
		h.t.Helper()
		if err := goOn(); err != nil {
			h.t.Fatal(err)
		}
	}
}

// A succession is a series of processes that consume the same flood. Each marks
// the packets that it accepts with the number of its generation, so that the
// packets sent can be compared exactly with the verdicts that the kernel
// received.
type succession struct {
	*lab
	passed *netns.Chain // a rule for each generation
	stop   func() int   // ends the flood
	n      int
	*helper
}

func newSuccession(t *testing.T, most int) *succession {
	l := newLab(t)
	rules := make([]netns.Rule, most)
	for i := range rules {
		rules[i].Mark = netns.MarkIs(uint32(i + 1))
	}
	l.chain(netns.Output, 0, toQueue(ownNumber))
	s := &succession{lab: l, passed: l.chain(netns.Postrouting, 0, rules...)}
	s.flood()
	return s
}

// flood sends all the time, with or without a consumer.
func (s *succession) flood() {
	s.Helper()
	s.stop = s.floodWithin(func(int) int { return burst })
}

// next starts the consumer of the next generation, and waits until packets
// pass.
func (s *succession) next() {
	s.Helper()
	s.n++
	s.helper = startHelper(s, s.ns, "forward", strconv.Itoa(s.n))
	s.wantMore()
}

func (s *succession) count() int {
	s.Helper()
	return count(s, s.passed, s.n-1)
}

// wantMore wants packets to pass.
func (s *succession) wantMore() {
	s.Helper()
	before := s.count()
	eventually(s, "packets pass", func() bool { return s.count() > before })
}

// audit stops the consumer, waits until its queue is full, and checks that the
// row of the kernel shows how many packets have passed. The function that it
// returns lets the consumer continue.
func (s *succession) audit() (resume func()) {
	s.Helper()
	resume = s.halt()
	dropped := s.status(ownNumber).QueueDropped
	eventually(s, "the queue is full", func() bool { return s.status(ownNumber).QueueDropped > dropped })
	s.stop()
	row := s.status(ownNumber)
	if got, want := s.count(), int(row.LastID-row.Pending-row.UserDropped); got != want {
		s.Fatalf("%d packets have passed, the kernel had verdicts for %d: %+v", got, want, row)
	}
	s.flood()
	return resume
}

// TestKernelConsumerDies kills, stops and replaces consumers during a flood.
// The next one gets the queue immediately, and packets pass again.
func TestKernelConsumerDies(t *testing.T) {
	fates := []struct {
		name string
		meet func(s *succession)
	}{
		{"killed", func(s *succession) { s.signal(syscall.SIGKILL) }},
		{"stopped and killed", func(s *succession) {
			s.audit()
			s.signal(syscall.SIGKILL)
		}},
		{"stopped, continued and killed", func(s *succession) {
			s.audit()()
			s.wantMore()
			s.audit()
			s.signal(syscall.SIGKILL)
		}},
		{"ended", func(s *succession) { s.end() }},
	}
	const rounds = 5
	s := newSuccession(t, rounds*len(fates))
	for range rounds {
		for _, i := range rand.Perm(len(fates)) {
			t.Log(fates[i].name)
			s.next()
			fates[i].meet(s)
		}
	}
}

// A process with all privileges in the namespace can neither feed the queue nor
// take it over. It may only keep processors busy.
func TestKernelHostileProcess(t *testing.T) {
	l := newLab(t)
	l.queueUDP()
	q := l.open(queue.Config{})
	h := startHelper(t, l.ns, "bombard", fmt.Sprint(ownerPort(t, l.ns, 0)))
	wait := l.judge(channel(q), queue.Packet.Accept)
	stop := l.flood(q)
	var sent, taken int
	eventually(t, "packets have passed under bombardment", func() bool {
		fmt.Fprintln(h.in)
		if _, err := fmt.Sscan(h.read(), &sent, &taken); err != nil {
			t.Fatal(err)
		}
		return sent > 2000 && q.Stats().Decided > 2000
	})
	n := uint64(stop())
	h.end()
	if taken != 0 {
		t.Errorf("%d of %d forged messages were taken", taken, sent)
	}
	wantStats(t, settled(t, q), queue.Stats{Received: n, Decided: n, Accepted: n})
	q.Close()
	wait()
	if err := q.Err(); err != nil {
		t.Errorf("Err() = %v, want nil", err)
	}
}
