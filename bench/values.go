package main

import (
	"cmp"
	"math"
	"slices"
)

// Units of what is measured, as benchstat knows them or takes them over.
const (
	packetRate  = "packets/s"
	cpuTime     = "cpu-ns/op" // an op is a packet
	userTime    = "user-ns/op"
	systemTime  = "sys-ns/op"
	cpuBusy     = "cpu-%" // of one processor
	allocs      = "allocs/op"
	allocBytes  = "B/op"
	bitRate     = "Gbit/s"
	p50         = "p50-ns"
	p99         = "p99-ns"
	p999        = "p99.9-ns"
	queueFull   = "queue-full" // packets lost
	socketFull  = "socket-full"
	tooLate     = "too-late"
	memory      = "peak-B" // resident memory of the process
	packetCount = "packets"
)

// units is the order in which raw results list them.
var units = []string{
	packetRate, cpuTime, userTime, systemTime, cpuBusy, allocs, allocBytes, bitRate,
	p50, p99, p999, memory, queueFull, socketFull, tooLate,
}

// values are the results of one measurement by unit.
type values map[string]float64

// A series is what several rounds found for one row.
type series struct {
	row    row
	rounds []values // nil where the round failed
}

// of returns the values of one unit, those of rounds that have it.
func (s series) of(unit string) []float64 {
	var list []float64
	for _, v := range s.rounds {
		if x, ok := v[unit]; ok {
			list = append(list, x)
		}
	}
	return list
}

// ratios divides the values of s by those of t from the same round.
func ratios(s, t series, unit string) []float64 {
	var list []float64
	for i := range min(len(s.rounds), len(t.rounds)) {
		x, ok := s.rounds[i][unit]
		y, ok2 := t.rounds[i][unit]
		if ok && ok2 && y != 0 {
			list = append(list, x/y)
		}
	}
	return list
}

// median returns the middle of the values, NaN if there are none. It is the
// mean of the two in the middle if their number is even.
func median(list []float64) float64 {
	if len(list) == 0 {
		return math.NaN()
	}
	sorted := slices.SortedFunc(slices.Values(list), cmp.Compare)
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

func sum(list []float64) float64 {
	var total float64
	for _, x := range list {
		total += x
	}
	return total
}
