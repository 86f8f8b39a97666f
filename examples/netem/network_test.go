package main

import (
	"math"
	"testing"
	"time"
)

// fates returns the fates of the first n packets.
func fates(of network, n int) (list []fate) {
	d := newDice(of)
	for range n {
		list = append(list, d.next())
	}
	return list
}

// TestDiceIsReproducible checks that other settings do not change which packets
// are lost.
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

// TestDiceExtremes checks that probabilities of 0 and 1 are certain.
func TestDiceExtremes(t *testing.T) {
	for i, f := range fates(network{delay: 5}, 1000) {
		if f.bit = 0; f != (fate{delay: 5}) {
			t.Fatalf("packet %d: %+v, want delay 5ns alone", i, f)
		}
	}
	for i, f := range fates(network{loss: 1, reorder: 1, duplicate: 1, corrupt: 1, correlation: 0.5}, 1000) {
		if !f.lost || !f.reordered || !f.duplicated || !f.corrupted {
			t.Fatalf("packet %d: %+v, want lost, reordered, duplicated and corrupted", i, f)
		}
	}
}

// TestCorrelation checks that correlation changes the order of losses, but not
// their number.
func TestCorrelation(t *testing.T) {
	const n = 100_000
	for _, correlation := range []share{0, 0.5, 0.9} {
		lost, again, before := 0, 0, false
		for _, f := range fates(network{loss: 0.2, correlation: correlation}, n) {
			if f.lost {
				lost++
			}
			if f.lost && before {
				again++
			}
			before = f.lost
		}
		if got := float64(lost) / n; math.Abs(got-0.2) > 0.02 {
			t.Errorf("correlation %v: %g lost, want 0.2", &correlation, got)
		}
		want := 0.2 + 0.8*float64(correlation)
		if got := float64(again) / float64(lost); math.Abs(got-want) > 0.03 {
			t.Errorf("correlation %v: %g lost after a lost one, want %g", &correlation, got, want)
		}
	}
}

func TestDistributions(t *testing.T) {
	const n = 100_000
	for _, test := range []struct {
		of                      distribution
		deviation, median, most float64
	}{
		{uniform, 0.577, 0, 1},
		{normal, 1, 0, 4.4},
		{pareto, 1, -0.277, 65},
	} {
		sum, squares := 0.0, 0.0
		for i := range n {
			x := test.of.at((float64(i) + 0.5) / n)
			sum, squares = sum+x, squares+x*x
		}
		name := distributions[test.of]
		if mean, deviation := sum/n, math.Sqrt(squares/n); math.Abs(mean) > 0.01 || math.Abs(deviation-test.deviation) > 0.03 {
			t.Errorf("%s: mean %g and deviation %g, want 0 and %g", name, mean, deviation, test.deviation)
		}
		if got := test.of.at(0.5); math.Abs(got-test.median) > 0.001 {
			t.Errorf("%s: median %g, want %g", name, got, test.median)
		}
		if got := test.of.at(1 - 0.5/n); math.Abs(got-test.most) > 0.1*test.most {
			t.Errorf("%s: %g at the end, want %g", name, got, test.most)
		}
	}
	for _, f := range fates(network{delay: time.Second, jitter: time.Hour, distribution: pareto}, n) {
		if f.delay < 0 || f.delay > maxTime {
			t.Fatalf("a delay of %v", f.delay)
		}
	}
	d := newDice(network{jitter: time.Hour, distribution: normal})
	if low, high := d.later(0), d.later(math.Nextafter(1, 0)); low != 0 || high != maxTime {
		t.Errorf("delays from %v to %v, want 0 to %v", low, high, maxTime)
	}
}
