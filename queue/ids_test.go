package queue

import (
	"math/rand/v2"
	"strconv"
	"testing"
)

// TestIDs compares the table with a map, through growth and with ids that
// differ in few bits, as addresses do.
func TestIDs(t *testing.T) {
	for _, shift := range []int{0, 8, 40} {
		rng := rand.New(rand.NewPCG(1, uint64(shift)))
		table, want := newIDs(), make(map[uint64]*slot)
		for range 20 * fewestChains {
			s := &slot{id: uint64(rng.IntN(3*fewestChains)) << shift}
			if rng.IntN(4) == 0 {
				if got := table.remove(s.id); got != want[s.id] {
					t.Fatalf("remove(%#x) returns %p, want %p", s.id, got, want[s.id])
				}
				delete(want, s.id)
			} else {
				if got := table.replace(s); got != want[s.id] {
					t.Fatalf("replace(%#x) returns %p, want %p", s.id, got, want[s.id])
				}
				want[s.id] = s
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
		}
	}
}

// TestDevices asks for the numbers of names in turn, until there are no more.
func TestDevices(t *testing.T) {
	var d devices
	var last numberedName
	if n := d.number(nil, &last); n != 0 {
		t.Errorf("no name has number %d, want 0", n)
	}
	for range 2 {
		for i := range maxDevices {
			name := "eth" + strconv.Itoa(i)
			n := d.number([]byte(name), &last)
			if n != uint32(i+1) || d.name(n) != name {
				t.Fatalf("%s has number %d, which is %s", name, n, d.name(n))
			}
		}
	}
	for range 2 {
		if n := d.number([]byte("late"), &last); n != 0 {
			t.Errorf("a name too many has number %d, want 0", n)
		}
	}
}
