package main

import (
	"testing"

	"github.com/ipqueue/ipqueue/wire"
)

func TestHandled(t *testing.T) {
	for _, test := range []struct {
		row  wire.NFQStatus
		want uint32
	}{
		{wire.NFQStatus{}, 0},
		{wire.NFQStatus{LastID: 100, Pending: 30, UserDropped: 20, QueueDropped: 7}, 50},
		// A packet dropped because the queue is full gets no id. Ids wrap.
		{wire.NFQStatus{LastID: 5, Pending: 6}, 1<<32 - 1},
	} {
		if got := handled(test.row); got != test.want {
			t.Errorf("handled(%+v) = %d, want %d", test.row, got, test.want)
		}
	}
}

func TestCheckCount(t *testing.T) {
	row := wire.NFQStatus{LastID: 100, UserDropped: 10}
	for _, test := range []struct {
		final consumerState
		ok    bool
	}{
		{consumerState{Decided: 90}, true},
		{consumerState{Decided: 1<<32 + 90}, true},
		{consumerState{Decided: 91}, false},
		{consumerState{Decided: 89}, false},
		{consumerState{Decided: 90, Refused: 1}, false},
	} {
		if err := checkCount(row, test.final); (err == nil) != test.ok {
			t.Errorf("checkCount(%+v) = %v, want success %t", test.final, err, test.ok)
		}
	}
}

func TestCheckSent(t *testing.T) {
	row := wire.NFQStatus{LastID: 100, UserDropped: 10, QueueDropped: 3}
	for _, test := range []struct {
		sent uint64
		ok   bool
	}{{103, true}, {100, false}, {104, false}} {
		if err := checkSent(row, test.sent); (err == nil) != test.ok {
			t.Errorf("checkSent(%d) = %v, want success %t", test.sent, err, test.ok)
		}
	}
}
