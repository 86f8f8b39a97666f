package load

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A Meter counts what a generator sends. It may be read while the generator runs.
type Meter struct {
	sent  atomic.Uint64
	bytes atomic.Uint64
	lost  atomic.Uint64

	mu    sync.Mutex
	times []time.Duration
}

// A Reading contains the counters of a Meter.
type Reading struct {
	Sent  uint64 // packets sent; not counted for TCP
	Bytes uint64 // bytes that the receiver of a TCP stream has read
	Lost  uint64 // packets of OneByOne that did not arrive in time
	// Latency describes the packets that arrived since the previous reading.
	Latency Latency
}

// A Latency contains percentiles of the time from sending to arrival, and the number
// of packets.
type Latency struct {
	N              int
	P50, P99, P999 time.Duration
}

// NewMeter returns a Meter that keeps at most room times between two readings.
func NewMeter(room int) *Meter {
	return &Meter{times: make([]time.Duration, 0, room)}
}

// Read returns the counters and discards the times.
func (m *Meter) Read() Reading {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := Reading{Sent: m.sent.Load(), Bytes: m.bytes.Load(), Lost: m.lost.Load(), Latency: percentiles(m.times)}
	m.times = m.times[:0]
	return r
}

func (m *Meter) observe(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.times) < cap(m.times) {
		m.times = append(m.times, d)
	}
}

// percentiles returns the percentiles. It sorts times.
func percentiles(times []time.Duration) Latency {
	if len(times) == 0 {
		return Latency{}
	}
	slices.Sort(times)
	at := func(thousandths int) time.Duration {
		return times[(len(times)-1)*thousandths/1000]
	}
	return Latency{N: len(times), P50: at(500), P99: at(990), P999: at(999)}
}
