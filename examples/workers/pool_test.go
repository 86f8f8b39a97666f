package main

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"github.com/ipqueue/ipqueue/queue"
)

// datagram returns a UDP packet between two ports. Its data contains the
// number.
func datagram(source, destination uint16, number int) queue.Packet {
	b := []byte{0x45, 0, 0, 32, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2}
	b = binary.BigEndian.AppendUint16(b, source)
	b = binary.BigEndian.AppendUint16(b, destination)
	b = append(b, 0, 12, 0, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(number))
	return queue.Packet{Payload: b, Length: uint32(len(b))}
}

func number(p queue.Packet) int { return int(binary.BigEndian.Uint32(p.Payload[28:])) }

// share runs a pool over n packets of each flow. It returns the numbers of the
// packets in the order in which those of each flow were decided.
func share(p *pool, flows, n int) map[queue.Flow][]int {
	var mu sync.Mutex
	decided := map[queue.Flow][]int{}
	p.decide = func(p queue.Packet) error {
		mu.Lock()
		defer mu.Unlock()
		decided[p.Flow()] = append(decided[p.Flow()], number(p))
		return nil
	}
	packets := make(chan queue.Packet)
	go func() {
		defer close(packets)
		for i := range n {
			for f := range flows {
				packets <- datagram(uint16(1000+f), 53, i)
			}
		}
	}()
	p.run(packets)
	return decided
}

func TestPoolKeepsOrder(t *testing.T) {
	const flows, n = 50, 200
	decided := share(newPool(4, nil), flows, n)
	if len(decided) != flows {
		t.Errorf("%d flows, want %d", len(decided), flows)
	}
	for f, numbers := range decided {
		if len(numbers) != n || !slices.IsSorted(numbers) {
			t.Errorf("%v: %d packets, in order %t, want %d, true", f, len(numbers), slices.IsSorted(numbers), n)
		}
	}
}

// TestPoolUsesAllWorkers checks that the hash of many flows selects every
// worker.
func TestPoolUsesAllWorkers(t *testing.T) {
	p := newPool(4, nil)
	share(p, 500, 1)
	for i, w := range p.workers {
		if got := w.all.packets; got < 50 || got > 250 {
			t.Errorf("worker %d got %d of 500 packets, want about 125", i, got)
		}
	}
}

func TestConversation(t *testing.T) {
	f := datagram(1, 2, 0).Flow()
	a, b := conversation(f), conversation(f.Reverse())
	if a != b || a.Source != netip.MustParseAddrPort("192.0.2.1:1") {
		t.Errorf("conversations %v and %v, want the same from 192.0.2.1", a, b)
	}
	if other := conversation(datagram(1, 3, 0).Flow()); other == a {
		t.Error("another port makes no other conversation")
	}
}

func TestPoolCountsFailures(t *testing.T) {
	p := newPool(1, func(queue.Packet) error { return errors.New("gone") })
	packets := make(chan queue.Packet, 2)
	packets <- datagram(1, 2, 0)
	packets <- queue.Packet{}
	close(packets)
	p.run(packets)
	if got := p.workers[0].failed; got != 2 {
		t.Errorf("%d verdicts failed, want 2", got)
	}
}
