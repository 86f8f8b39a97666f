package main

import (
	"cmp"
	"math"
	"slices"
)

// Units of the measured values. benchstat knows some and accepts the others.
const (
	packetRate  = "packets/s"
	cpuTime     = "cpu-ns/op" // an operation is a packet
	userTime    = "user-ns/op"
	systemTime  = "sys-ns/op"
	cpuBusy     = "cpu-%" // of one processor
	allocs      = "allocs/op"
	allocBytes  = "B/op"
	bitRate     = "Gbit/s"
	p50         = "p50-ns"
	p99         = "p99-ns"
	p999        = "p99.9-ns"
	queueFull   = "queue-full" // packets lost, as the next two
	socketFull  = "socket-full"
	tooLate     = "too-late"
	memory      = "peak-B" // resident memory of the process
	packetCount = "packets"
)

// units lists the units in their order in raw results.
var units = []string{
	packetRate, cpuTime, userTime, systemTime, cpuBusy, allocs, allocBytes, bitRate,
	p50, p99, p999, memory, queueFull, socketFull, tooLate,
}

// values contains the results of one measurement, indexed by unit.
type values map[string]float64

// A series contains the results of all rounds for one row.
type series struct {
	row    row
	rounds []values // nil if the measurement failed
}

// of returns the values of one unit from the rounds that have one.
func (s series) of(unit string) []float64 {
	var list []float64
	for _, v := range s.rounds {
		if x, ok := v[unit]; ok {
			list = append(list, x)
		}
	}
	return list
}

// ratios returns the values of s divided by those of t from the same rounds.
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

// median returns the median of the values, or NaN if there are none.
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
