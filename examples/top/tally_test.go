package main

import (
	"testing"

	"github.com/ipqueue/ipqueue/queue"
)

func TestTally(t *testing.T) {
	var flows []queue.Flow
	for _, source := range []string{"192.0.2.1:1", "192.0.2.2:1", "192.0.2.3:1"} {
		flows = append(flows, udp(source, "192.0.2.9:53"))
	}
	tally := newTally(2)
	for i, f := range flows {
		tally.add(f, uint32(100*(i+1)))
		tally.add(f, 1)
	}
	talkers, others, total := tally.take()
	wantTalkers(t, talkers, talker{flows[1], count{2, 201}}, talker{flows[0], count{2, 101}})
	wantCount(t, "others", others, count{2, 301})
	wantCount(t, "total", total, count{6, 603})

	tally.add(flows[2], 7)
	talkers, others, total = tally.take()
	wantTalkers(t, talkers, talker{flows[2], count{1, 7}})
	wantCount(t, "others, later", others, count{})
	wantCount(t, "total, later", total, count{7, 610})
}

func wantTalkers(t *testing.T, got []talker, want ...talker) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("talkers %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("talker %d: %v, want %v", i, got[i], want[i])
		}
	}
}

func wantCount(t *testing.T, what string, got, want count) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// TestTallyAllocs checks that counting a packet of a known flow does not
// allocate.
func TestTallyAllocs(t *testing.T) {
	tally := newTally(1)
	known, other := udp("192.0.2.1:1", "192.0.2.9:53"), udp("192.0.2.2:1", "192.0.2.9:53")
	tally.add(known, 1)
	if got := testing.AllocsPerRun(100, func() { tally.add(known, 1); tally.add(other, 1) }); got != 0 {
		t.Errorf("%v allocations, want 0", got)
	}
}
