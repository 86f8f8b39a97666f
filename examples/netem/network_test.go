package main

import (
	"testing"
	"time"
)

// fates returns those of the first n packets.
func fates(of network, n int) (list []fate) {
	d := newDice(of)
	for range n {
		list = append(list, d.next())
	}
	return list
}

// Other settings change nothing about which packets are lost.
func TestDiceIsReproducible(t *testing.T) {
	a := fates(network{seed: 7, loss: 0.3}, 1000)
	b := fates(network{seed: 7, loss: 0.3, reorder: 0.5, delay: time.Second, jitter: time.Second}, 1000)
	c := fates(network{seed: 8, loss: 0.3}, 1000)
	same, other := 0, 0
	for i := range a {
		if a[i].lost == b[i].lost {
			same++
		}
		if a[i].lost != c[i].lost {
			other++
		}
	}
	if same != len(a) {
		t.Errorf("the same seed agrees about %d of %d packets, want all", same, len(a))
	}
	if other == 0 {
		t.Error("another seed changes nothing")
	}
}

func TestDice(t *testing.T) {
	const n = 10000
	bad := network{loss: 0.25, reorder: 0.1, duplicate: 0.5, delay: 10 * time.Millisecond, jitter: 20 * time.Millisecond}
	lost, reordered, duplicated, least, most := 0, 0, 0, time.Hour, time.Duration(0)
	for _, f := range fates(bad, n) {
		if f.lost {
			lost++
		}
		if f.reordered {
			reordered++
			if f.delay != 0 {
				t.Errorf("a packet to be reordered is delayed by %v, want 0", f.delay)
			}
		}
		if f.duplicated {
			duplicated++
		}
		least, most = min(least, f.delay), max(most, f.delay)
	}
	if got := float64(lost) / n; got < 0.23 || got > 0.27 {
		t.Errorf("%g lost, want 0.25", got)
	}
	if got := float64(reordered) / n; got < 0.08 || got > 0.12 {
		t.Errorf("%g reordered, want 0.1", got)
	}
	if got := float64(duplicated) / n; got < 0.48 || got > 0.52 {
		t.Errorf("%g duplicated, want 0.5", got)
	}
	if least != 0 || most > 30*time.Millisecond || most < 29*time.Millisecond {
		t.Errorf("delays from %v to %v, want 0 to 30ms", least, most)
	}
}

// Chances of 0 and 1 are certain.
func TestDiceExtremes(t *testing.T) {
	for i, f := range fates(network{delay: 5}, 1000) {
		if f != (fate{delay: 5}) {
			t.Fatalf("packet %d: %+v, want delay 5ns alone", i, f)
		}
	}
	for i, f := range fates(network{loss: 1, reorder: 1, duplicate: 1}, 1000) {
		if !f.lost || !f.reordered || !f.duplicated {
			t.Fatalf("packet %d: %+v, want lost, reordered and duplicated", i, f)
		}
	}
}
