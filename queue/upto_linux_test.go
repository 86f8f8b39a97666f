package queue_test

import (
	"testing"

	"github.com/ipqueue/ipqueue/queue"
)

// TestKernelDecideUpTo decides packets some of which already have a verdict.
func TestKernelDecideUpTo(t *testing.T) {
	const n = 100
	l := newLab(t)
	l.queueUDP()
	f := l.flow(loopback4)
	q := l.open(queue.Config{})
	f.number(0, n)
	packets := take(t, q, n)
	want := numbers(0, 80)
	for _, i := range []int{0, 7, 50, 90} {
		if err := packets[i].Drop(); err != nil {
			t.Fatal(err)
		}
		delete(want, i)
	}
	decided, err := packets[79].DecideUpTo(queue.Verdict{Action: queue.Accept})
	if decided != len(want) || err != nil {
		t.Errorf("DecideUpTo = %d, %v, want %d, nil", decided, err, len(want))
	}
	f.wantNumbers(want)
	if s := q.Stats(); s.Undecided != 19 || s.Kernel.Pending != 19 {
		t.Errorf("%d undecided, %d pending in the kernel, want 19", s.Undecided, s.Kernel.Pending)
	}
}
