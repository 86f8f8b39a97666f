package main

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/ipqueue/ipqueue/bench/internal/load"
	"github.com/ipqueue/ipqueue/bench/internal/sys"
	"github.com/ipqueue/ipqueue/wire"
)

func TestBetween(t *testing.T) {
	start := time.Unix(100, 0)
	before := sample{
		at:       start,
		status:   wire.NFQStatus{LastID: math.MaxUint32 - 99, Pending: 10, UserDropped: 5, QueueDropped: 7},
		account:  sys.Account{Total: time.Second},
		consumer: consumerState{Mallocs: 1000, Bytes: 64000},
	}
	after := sample{
		at:       start.Add(2 * time.Second),
		status:   wire.NFQStatus{LastID: 900, Pending: 0, UserDropped: 15, QueueDropped: 8},
		account:  sys.Account{Total: 2 * time.Second, User: 100 * time.Millisecond, System: 300 * time.Millisecond, Memory: 3 << 20},
		consumer: consumerState{Mallocs: 1500, Bytes: 96000},
		generator: load.Reading{
			Bytes:   5e9,
			Latency: load.Latency{N: 3, P50: 1, P99: 2, P999: 3},
			Lost:    4,
		},
	}
	ours := row{contender: contender{name: packets, isGo: true}}
	tcp, latency := ours, ours
	tcp.scene.spec.Kind, latency.scene.spec.Kind = load.TCP, load.OneByOne
	for _, test := range []struct {
		name string
		row  row
		want values
	}{
		{"ours", ours, values{allocs: 0.5, allocBytes: 32}},
		{"a program in C", row{contender: contender{peer: command{"c"}}}, values{}},
		{"tcp", tcp, values{allocs: 0.5, allocBytes: 32, bitRate: 20}},
		{"latency", latency, values{allocs: 0.5, allocBytes: 32, p50: 1, p99: 2, p999: 3, tooLate: 4}},
	} {
		want := values{
			packetCount: 1000, packetRate: 500, cpuTime: 1e6, userTime: 25e4, systemTime: 75e4, cpuBusy: 50,
			queueFull: 1, socketFull: 10, memory: 3 << 20,
		}
		for unit, x := range test.want {
			want[unit] = x
		}
		got, err := between(test.row, before, after)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		sameValues(t, test.name, got, want)
	}
}

func TestBetweenIdle(t *testing.T) {
	busy := sample{
		at:        time.Unix(1, 0),
		status:    wire.NFQStatus{LastID: 1},
		account:   sys.Account{Total: 1},
		generator: load.Reading{Bytes: 1, Latency: load.Latency{P50: 1}},
	}
	for _, test := range []struct {
		name string
		kind load.Kind
		idle func(s *sample)
	}{
		{"no packet", load.UDP, func(s *sample) { s.status.LastID = 0 }},
		{"no processor time", load.UDP, func(s *sample) { s.account.Total = 0 }},
		{"no byte", load.TCP, func(s *sample) { s.generator.Bytes = 0 }},
		{"no arrival", load.OneByOne, func(s *sample) { s.generator.Latency.P50 = 0 }},
	} {
		r := row{scene: scene{spec: load.Spec{Kind: test.kind}}}
		start := sample{at: time.Unix(0, 0)}
		if _, err := between(r, start, busy); err != nil {
			t.Errorf("%s: %v although there was one", test.name, err)
		}
		s := busy
		test.idle(&s)
		if _, err := between(r, start, s); !errors.Is(err, errIdle) {
			t.Errorf("%s: %v, want errIdle", test.name, err)
		}
	}
}

func sameValues(t *testing.T, name string, got, want values) {
	t.Helper()
	for unit, x := range want {
		if math.Abs(got[unit]-x) > 1e-9 {
			t.Errorf("%s: %s is %v, want %v", name, unit, got[unit], x)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%s: %v, want %v", name, got, want)
	}
}
