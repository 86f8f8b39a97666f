package main

import (
	"container/heap"
	"fmt"
	"time"

	"github.com/ipqueue/ipqueue/queue"
)

// An emulator holds packets until they are due: all of them in one heap, with
// one timer.
type emulator struct {
	dice  *dice
	send  func(packet []byte) error // sends a duplicate
	held  schedule
	timer *time.Timer
	free  time.Time // when the link has sent all earlier packets
	stats stats
}

// stats counts packets by what happened to them.
type stats struct {
	arrived, lost, reordered, passed int
	duplicated, undoubled            int // were duplicated; should have been, but could not
	corrupted, uncorrupted           int // the same for corruption
	failed                           int // verdicts
	mostHeld                         int
	delay                            time.Duration // the sum for all packets that passed
}

func newEmulator(n network) *emulator {
	return &emulator{dice: newDice(n), timer: time.NewTimer(0)}
}

// run passes packets on until the channel is closed. Then it immediately passes
// those that it still holds.
func (e *emulator) run(packets <-chan queue.Packet) {
	defer e.timer.Stop()
	for {
		select {
		case p, open := <-packets:
			if !open {
				e.end(time.Now())
				return
			}
			e.arrive(p, time.Now())
		case now := <-e.timer.C:
			e.release(now)
		}
	}
}

// arrive adds the packet to the schedule.
func (e *emulator) arrive(p queue.Packet, now time.Time) {
	if p.Mark == e.dice.mark && e.send != nil {
		e.check(p.Accept())
		return
	}
	f := e.dice.next()
	e.stats.arrived++
	if f.lost {
		e.stats.lost++
		e.check(p.Drop())
		return
	}
	if f.reordered {
		e.stats.reordered++
	}
	if e.free.Before(now) {
		e.free = now
	}
	e.free = e.free.Add(e.dice.rate.time(p.Length))
	heap.Push(&e.held, held{p, f, now, e.free.Add(f.delay), e.stats.arrived})
	e.stats.mostHeld = max(e.stats.mostHeld, len(e.held))
	e.release(now)
}

// release passes the packets that are due, and sets the timer for the next one.
func (e *emulator) release(now time.Time) {
	for len(e.held) > 0 && !e.held[0].due.After(now) {
		if first := e.held[0]; first.fate.duplicated {
			e.duplicate(first.packet)
		}
		e.pass(now)
	}
	if len(e.held) > 0 {
		e.timer.Reset(time.Until(e.held[0].due))
	}
}

// end passes all packets. The queue accepts no duplicates any more.
func (e *emulator) end(now time.Time) {
	for len(e.held) > 0 {
		e.pass(now)
	}
}

// pass passes the packet that is due first.
func (e *emulator) pass(now time.Time) {
	first := heap.Pop(&e.held).(held)
	e.stats.passed++
	e.stats.delay += now.Sub(first.arrived)
	if first.fate.corrupted && e.corrupt(first.packet, first.fate.bit) {
		return
	}
	e.check(first.packet.Accept())
}

// corrupt passes a packet with one wrong bit after its IP header, so that the
// receiver finds a wrong checksum. It reports whether that was possible.
func (e *emulator) corrupt(p queue.Packet, bit float64) bool {
	_, b := p.Transport() // a part of Payload, which nothing else reads any more
	n := int(bit * float64(8*len(b)))
	if len(b) > 0 && !p.Truncated() {
		b[n/8] ^= 1 << (n % 8)
		if p.ReplaceRaw(p.Payload) == nil {
			e.stats.corrupted++
			return true
		}
	}
	e.stats.uncorrupted++
	return false
}

// duplicate sends a copy of a packet that leaves this host. With NoGSO its checksums
// are complete. It is sent before the verdict, while the payload is still valid.
func (e *emulator) duplicate(p queue.Packet) {
	incoming := p.Hook == queue.HookPrerouting || p.Hook == queue.HookInput
	if incoming || p.Truncated() || e.send(p.Payload) != nil {
		e.stats.undoubled++
		return
	}
	e.stats.duplicated++
}

// check counts packets that the kernel has dropped in the meantime.
func (e *emulator) check(err error) {
	if err != nil {
		e.stats.failed++
	}
}

// report returns the statistics of the emulator and of the queue as text.
func (e *emulator) report(s queue.Stats) string {
	mean := e.stats.delay / time.Duration(max(1, e.stats.passed))
	text := ""
	for _, line := range []struct {
		name  string
		value any
	}{
		{"arrived", e.stats.arrived},
		{"lost", e.stats.lost},
		{"passed", e.stats.passed},
		{"reordered", e.stats.reordered},
		{"duplicated", e.stats.duplicated},
		{"not duplicated", e.stats.undoubled},
		{"corrupted", e.stats.corrupted},
		{"not corrupted", e.stats.uncorrupted},
		{"mean delay", mean.Round(time.Microsecond)},
		{"most held", e.stats.mostHeld},
		{"over the limit", s.Kernel.QueueDropped},
		{"not delivered", s.Kernel.SocketDropped},
		{"failed", uint64(e.stats.failed) + s.Refused},
	} {
		text += fmt.Sprintf("%-14s %v\n", line.name, line.value)
	}
	return text
}
