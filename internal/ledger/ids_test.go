package ledger

import (
	"math/rand/v2"
	"testing"
)

// TestIDs compares the table with a map, through growth and with ids that
// differ in few bits, as addresses do.
func TestIDs(t *testing.T) {
	for _, shift := range []int{0, 8, 40} {
		rng := rand.New(rand.NewPCG(1, uint64(shift)))
		table, want := newIDs(), make(map[uint64]*Slot)
		for range 20 * fewestChains {
			s := &Slot{ID: uint64(rng.IntN(3*fewestChains)) << shift}
			if rng.IntN(4) == 0 {
				if got := table.remove(s.ID); got != want[s.ID] {
					t.Fatalf("remove(%#x) returns %p, want %p", s.ID, got, want[s.ID])
				}
				delete(want, s.ID)
			} else {
				if got := table.replace(s); got != want[s.ID] {
					t.Fatalf("replace(%#x) returns %p, want %p", s.ID, got, want[s.ID])
				}
				want[s.ID] = s
			}
			if table.n != len(want) {
				t.Fatalf("%d packets, want %d", table.n, len(want))
			}
		}
		if len(table.chains) == fewestChains {
			t.Error("the table did not grow")
		}
		for id, s := range want {
			if got := table.remove(id); got != s {
				t.Errorf("at the end remove(%#x) returns %p, want %p", id, got, s)
			}
			table.fit()
			if n := len(table.chains); n < table.n || n > max(fewestChains, 2*table.n) {
				t.Errorf("the table for %d packets has %d chains", table.n, n)
			}
		}
	}
}

// TestTrimIDs decides many packets of ip_queue. The idle queue frees the memory
// of their ids.
func TestTrimIDs(t *testing.T) {
	const n = 5 * fewestChains
	l := New(Config{
		Encoder: plainEncoder{}, MaxUndecided: n, ReusesIDs: true,
		Send:    func(d [][]byte) (int, error) { return len(d), nil },
		Backlog: func() bool { return false },
	})
	in := NewIntake(l)
	var slots []*Slot
	for id := range n {
		s, _, _ := in.Slot(uint64(id+1), 100)
		slots = append(slots, s)
	}
	in.Enter(false)
	for i, s := range slots {
		if err := s.Decide(uint64(i+1), Verdict{Action: 1}); err != nil {
			t.Fatal(err)
		}
	}
	if left := in.Trim(); left != 0 {
		t.Errorf("%d slots are left", left)
	}
	if got := len(l.ids.chains); got != fewestChains {
		t.Errorf("%d chains, want %d", got, fewestChains)
	}
}
