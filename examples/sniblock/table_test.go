package main

import (
	"net/netip"
	"testing"
	"time"

	"github.com/ipqueue/ipqueue/queue"
)

// flowOf is that of a client's port.
func flowOf(port uint16) queue.Flow {
	return queue.Flow{
		Protocol:    6,
		Source:      netip.AddrPortFrom(netip.IPv6Loopback(), port),
		Destination: netip.AddrPortFrom(netip.IPv6Loopback(), 443),
	}
}

func TestTableKeepsTheNewest(t *testing.T) {
	now := time.Unix(1000, 0)
	tab := newTable(3, time.Minute)
	for port := range uint16(3) {
		tab.open(flowOf(port), 1, now)
	}
	tab.find(flowOf(0), now) // which makes 1 the one that is silent for longest
	tab.open(flowOf(3), 1, now)
	for port, want := range []bool{true, false, true, true} {
		if got := tab.find(flowOf(uint16(port)), now) != nil; got != want {
			t.Errorf("connection %d is there: %t, want %t", port, got, want)
		}
	}
	if len(tab.byFlow) != 3 || tab.order.Len() != 3 {
		t.Errorf("the table has %d and %d connections, want 3", len(tab.byFlow), tab.order.Len())
	}
}

func TestTableForgetsTheSilent(t *testing.T) {
	now := time.Unix(1000, 0)
	tab := newTable(10, time.Minute)
	tab.open(flowOf(0), 1, now)
	tab.open(flowOf(1), 1, now)
	now = now.Add(time.Minute)
	tab.find(flowOf(1), now)
	now = now.Add(time.Minute)
	if tab.find(flowOf(1), now) == nil {
		t.Error("a connection that was not silent for too long is gone")
	}
	if len(tab.byFlow) != 1 || tab.order.Len() != 1 {
		t.Errorf("the table has %d and %d connections, want 1", len(tab.byFlow), tab.order.Len())
	}
}

func TestTableOpensAgain(t *testing.T) {
	now := time.Unix(1000, 0)
	tab := newTable(10, time.Minute)
	tab.open(flowOf(0), 1, now)
	tab.find(flowOf(0), now).refused = true
	tab.open(flowOf(0), 1, now)
	if !tab.find(flowOf(0), now).refused {
		t.Error("a retransmitted SYN began another connection")
	}
	tab.open(flowOf(0), 2, now)
	if tab.find(flowOf(0), now).refused {
		t.Error("a SYN with another number did not begin another connection")
	}
}
