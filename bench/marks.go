package main

import (
	"fmt"
	"math"
)

// A mark is a goal of the project: a limit for a value, or for a ratio to another
// contender in the same scene.
type mark struct {
	about     string
	scene     string
	contender string
	against   string // "" if the limit is for a value
	unit      string
	limit     float64
	atMost    bool // the limit is a maximum, otherwise a minimum
}

// none is the limit for "no allocations": the runtime and the measurement itself
// make a few in each round.
const none = 0.005

// marks returns all goals. Those for the speed of floods exist for each size.
func marks(sizes []int) []mark {
	var list []mark
	for _, size := range sizes {
		list = append(list, floodMarks(floodName(size))...)
	}
	list = append(list, allocationMarks(sizes)...)
	return append(list,
		mark{"All, p50 of latency, against C", "latency", all, cMany, p50, 1.2, true},
		mark{"Packets, p50 of latency, against C", "latency", packets, cMany, p50, 2, true},
		mark{"All, TCP throughput, against C", "tcp", all, cMany, bitRate, 0.9, false},
		mark{"Packets, TCP throughput, against C", "tcp", packets, cMany, bitRate, 0.9, false},
	)
}

func floodMarks(scene string) []mark {
	return []mark{
		{"Packets, packets/s, against C with many verdicts per send", scene, packets, cMany, packetRate, 0.9, false},
		{"Packets, packets/s, against libnetfilter_queue", scene, packets, cLibnfq, packetRate, 1.5, false},
		{"Packets, CPU per packet, against C with many verdicts per send", scene, packets, cMany, cpuTime, 1.25, true},
		{"All, packets/s, against C with many verdicts per send", scene, all, cMany, packetRate, 0.95, false},
		{"All, CPU per packet, against C with many verdicts per send", scene, all, cMany, cpuTime, 1.1, true},
		{"Packets with OnRefused (a message per verdict), packets/s, against C with many verdicts per send", scene, packetsEach, cMany, packetRate, 0.9, false},
		{"Packets with OnRefused (a message per verdict), CPU per packet, against C with many verdicts per send", scene, packetsEach, cMany, cpuTime, 1.25, true},
		{"All with OnRefused (a message per verdict), packets/s, against C with many verdicts per send", scene, allEach, cMany, packetRate, 0.95, false},
		{"All with OnRefused (a message per verdict), CPU per packet, against C with many verdicts per send", scene, allEach, cMany, cpuTime, 1.1, true},
		{"All (automatic VERDICT_BATCH), packets/s, against C with VERDICT_BATCH", scene, all, cBatch, packetRate, 0.9, false},
		{"Packets (automatic VERDICT_BATCH), packets/s, against C with VERDICT_BATCH", scene, packets, cBatch, packetRate, 0.9, false},
		{fmt.Sprintf("verdicts out of order from %d goroutines, packets/s, against in order", shufflers), scene, shuffled, packets, packetRate, 0.5, false},
	}
}

// allocationMarks returns the goals for allocations: one for each verdict.
func allocationMarks(sizes []int) []mark {
	var list []mark
	for _, s := range scenes(sizes) {
		if s.verdict == "accept" && s.name != floodName(sizes[0]) {
			continue
		}
		for _, c := range []string{packets, all} {
			list = append(list, mark{
				about: fmt.Sprintf("allocations per packet, %s, %s", c, s.verdict),
				scene: s.name, contender: c, unit: allocs, limit: none, atMost: true,
			})
		}
	}
	return list
}

// measured returns the median of the rounds, or NaN if the rows were not measured.
func (m mark) measured(found map[string]series) float64 {
	s := found[m.scene+"/"+m.contender]
	if m.against == "" {
		return median(s.of(m.unit))
	}
	return median(ratios(s, found[m.scene+"/"+m.against], m.unit))
}

// isMet reports whether x is within the limit.
func (m mark) isMet(x float64) bool {
	if m.atMost {
		return x <= m.limit
	}
	return x >= m.limit
}

// wanted returns the limit as text.
func (m mark) wanted() string {
	switch {
	case m.limit == none:
		return "0"
	case m.atMost:
		return fmt.Sprintf("≤ %.2f", m.limit)
	}
	return fmt.Sprintf("≥ %.2f", m.limit)
}

// outcome returns the text for x in the table of marks.
func (m mark) outcome(x float64) string {
	switch {
	case math.IsNaN(x):
		return "not measured"
	case m.isMet(x):
		return "met"
	}
	return "**not met**"
}
