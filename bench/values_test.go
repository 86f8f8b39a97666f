package main

import (
	"math"
	"slices"
	"testing"
)

func TestMedian(t *testing.T) {
	for _, test := range []struct {
		list []float64
		want float64
	}{
		{nil, math.NaN()},
		{[]float64{3}, 3},
		{[]float64{9, 1}, 5},
		{[]float64{5, 100, 1}, 5},
		{[]float64{4, 1, 3, 2}, 2.5},
	} {
		given := slices.Clone(test.list)
		if got := median(test.list); got != test.want && !(math.IsNaN(got) && math.IsNaN(test.want)) {
			t.Errorf("median(%v) = %v, want %v", test.list, got, test.want)
		}
		if !slices.Equal(given, test.list) {
			t.Errorf("median changed its argument %v to %v", given, test.list)
		}
	}
}

// Ratios are computed within each round, so a round that is slow for both contenders
// does not change them.
func TestRatiosPairRounds(t *testing.T) {
	ours := series{rounds: []values{{packetRate: 100}, {packetRate: 10}, nil, {packetRate: 300}, {packetRate: 50}}}
	theirs := series{rounds: []values{{packetRate: 50}, {packetRate: 5}, {packetRate: 1}, {cpuTime: 7}, {packetRate: 0}}}
	if got, want := ratios(ours, theirs, packetRate), []float64{2, 2}; !slices.Equal(got, want) {
		t.Errorf("ratios = %v, want %v", got, want)
	}
	if got := ratios(ours, series{}, packetRate); len(got) != 0 {
		t.Errorf("ratios to nothing = %v, want none", got)
	}
}

func TestSeriesOf(t *testing.T) {
	s := series{rounds: []values{{allocs: 0}, nil, {cpuTime: 1}, {allocs: 2}}}
	if got, want := s.of(allocs), []float64{0, 2}; !slices.Equal(got, want) {
		t.Errorf("of(allocs) = %v, want %v", got, want)
	}
}
