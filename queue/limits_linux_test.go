package queue_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ipqueue/ipqueue/queue"
)

// TestKernelQueueLength fills a queue that is not read. It holds as many
// packets as it may; the others are dropped, or pass.
func TestKernelQueueLength(t *testing.T) {
	const length, n = 10, 100
	for _, test := range []struct {
		failOpen bool
		passed   int
		dropped  uint32
	}{
		{false, 0, n - length},
		{true, n - length, 0},
	} {
		t.Run(at("FailOpen", test.failOpen), func(t *testing.T) {
			l := newLab(t)
			f := l.flow(loopback4)
			sent := l.countSent()
			l.queueUDP()
			q := l.open(queue.Config{QueueLength: length, FailOpen: test.failOpen})
			f.number(0, n)
			s := q.Stats()
			if s.Kernel.Pending != length || s.Kernel.QueueDropped != test.dropped || s.Kernel.SocketDropped != 0 {
				t.Errorf("the kernel's row is %+v, want %d pending and %d dropped", s.Kernel, length, test.dropped)
			}
			if got := sent(); got != test.passed {
				t.Errorf("%d packets passed, want %d", got, test.passed)
			}
			for _, p := range take(t, q, length) {
				accept(t, p)
			}
			want := numbers(0, length)
			if test.failOpen {
				want = numbers(0, n)
			}
			f.wantNumbers(want)
			s = settled(t, q)
			wantStats(t, s, queue.Stats{Received: length, Decided: length, Accepted: length})
			if s.Kernel.LastID != length {
				t.Errorf("the last id is %d, want %d: a full queue numbers nothing", s.Kernel.LastID, length)
			}
		})
	}
}

// What overruns the socket's receive buffer is missing from the ids.
func TestKernelOverrun(t *testing.T) {
	for _, failOpen := range []bool{false, true} {
		t.Run(at("FailOpen", failOpen), func(t *testing.T) {
			l := newLab(t)
			f := l.flow(loopback4)
			n := f.room(1000)
			sent := l.countSent()
			l.queueUDP()
			q := l.open(queue.Config{ReadBuffer: 20_000, FailOpen: failOpen})
			if got := q.Stats().ReadBuffer; got != 40_000 {
				t.Errorf("ReadBuffer = %d, want twice 20000", got)
			}
			f.number(0, n)
			s := q.Stats()
			kept := int(s.Kernel.Pending)
			if kept == 0 || kept == n || s.Kernel.LastID != uint32(n) {
				t.Fatalf("the kernel's row is %+v, want some of %d packets pending", s.Kernel, n)
			}
			for i, p := range take(t, q, kept) {
				if numberOf(p) != i {
					t.Errorf("number %d came as packet %d", numberOf(p), i)
				}
				accept(t, p)
			}
			// The gap shows with the next packet.
			f.number(n, 1)
			accept(t, take(t, q, 1)[0])
			want := numbers(0, kept)
			if failOpen {
				want = numbers(0, n)
			}
			want[n] = true
			f.wantNumbers(want)
			s = settled(t, q)
			wantStats(t, s, queue.Stats{
				Received: uint64(kept + 1), Decided: uint64(kept + 1), Accepted: uint64(kept + 1), Missed: uint64(n - kept),
			})
			if got := s.Kernel.SocketDropped; !failOpen && got != uint32(n-kept) {
				t.Errorf("SocketDropped = %d, want %d", got, n-kept)
			}
			if got := sent(); got != len(want) {
				t.Errorf("%d packets passed, want %d", got, len(want))
			}
		})
	}
}

// The application holds as many packets as it may, and gets another one for
// each that it decides.
func TestKernelMaxUndecided(t *testing.T) {
	const most, n = 5, 200
	for _, stream := range streams {
		t.Run(stream.name, func(t *testing.T) {
			l := newLab(t)
			f := l.flow(loopback4)
			l.queueUDP()
			q := l.open(queue.Config{MaxUndecided: most})
			f.number(0, n)
			var held []queue.Packet
			seen := 0
			for p := range stream.of(q) {
				if got := numberOf(p); got != seen {
					t.Fatalf("number %d came as packet %d", got, seen)
				}
				seen++
				held = append(held, p)
				if s := q.Stats(); s.Undecided > most || s.Received > uint64(seen-len(held)+most) {
					t.Fatalf("%d undecided, want at most %d; %+v", s.Undecided, most, s)
				}
				if len(held) == most || seen == n {
					for _, p := range held {
						accept(t, p)
					}
					held = held[:0]
				}
				if seen == n {
					break
				}
			}
			f.wantNumbers(numbers(0, n))
			wantStats(t, settled(t, q), queue.Stats{Received: n, Decided: n, Accepted: n})
		})
	}
}

// TestKernelMaxUndecidedHidesAnswer checks that an answer of the kernel behind
// too many packets cannot be read while the application decides nothing.
func TestKernelMaxUndecidedHidesAnswer(t *testing.T) {
	l := newLab(t)
	f := l.flow(loopback4)
	l.queueUDP()
	q := l.open(queue.Config{MaxUndecided: 2})
	f.number(0, 10)
	packets := take(t, q, 2)
	if err := q.SetMode(l.ctx, queue.MetaOnly); err == nil || !strings.Contains(err.Error(), "MaxUndecided") {
		t.Errorf("SetMode = %v, want it to name MaxUndecided", err)
	}
	for _, p := range packets {
		accept(t, p)
	}
	for range 8 {
		accept(t, take(t, q, 1)[0])
	}
	setMode(t, q, queue.WholePacket)
	f.wantNumbers(numbers(0, 10))
	wantStats(t, settled(t, q), queue.Stats{Received: 10, Decided: 10, Accepted: 10})
}

// TestKernelWhenFull does not receive packets. Those that do not fit in the
// channel get WhenFull.
func TestKernelWhenFull(t *testing.T) {
	const n = 300
	for _, buffer := range []int{-1, 3} {
		for _, action := range []queue.Action{queue.Accept, queue.Drop} {
			t.Run(fmt.Sprint(action, " buffer ", buffer), func(t *testing.T) {
				l := newLab(t)
				f := l.flow(loopback4)
				sent := l.countSent()
				l.queueUDP()
				q := l.open(queue.Config{WhenFull: action, Buffer: buffer})
				packets := q.Packets()
				f.number(0, n)
				room := max(buffer, 0)
				eventually(t, "all others are decided", func() bool { return q.Stats().Overflowed == uint64(n-room) })
				want, passed := numbers(0, room), 0
				if action == queue.Accept {
					want, passed = numbers(0, n), n-room
				}
				if got := sent(); got != passed {
					t.Errorf("%d packets passed, want %d", got, passed)
				}
				for i := range room {
					p := <-packets
					if numberOf(p) != i {
						t.Errorf("number %d came as packet %d", numberOf(p), i)
					}
					accept(t, p)
				}
				f.wantNumbers(want)
				s := settled(t, q)
				expect := queue.Stats{Received: n, Decided: uint64(room), Overflowed: uint64(n - room), Accepted: n}
				if action == queue.Drop {
					expect.Accepted, expect.Dropped = uint64(room), uint64(n-room)
				}
				wantStats(t, s, expect)
			})
		}
	}
}

// TestKernelDeadline checks that packets expire while the application holds
// them, in the channel, and between loops over All.
func TestKernelDeadline(t *testing.T) {
	const n = 50
	for _, stream := range streams {
		for _, action := range []queue.Action{0, queue.Accept} {
			t.Run(fmt.Sprint(stream.name, " ", action), func(t *testing.T) {
				l := newLab(t)
				f := l.flow(loopback4)
				sent := l.countSent()
				l.queueUDP()
				q := l.open(queue.Config{Deadline: 100 * time.Millisecond, OnDeadline: action})
				f.number(0, n)
				var mu sync.Mutex
				var held []queue.Packet
				var bytesThen [][]byte
				var consumer sync.WaitGroup
				consumer.Go(func() {
					for p := range stream.of(q) { // fewer come, or none, on a machine that is late itself
						mu.Lock()
						held, bytesThen = append(held, p), append(bytesThen, p.Clone())
						enough := len(held) == n/2
						mu.Unlock()
						if enough {
							break
						}
					}
				})
				eventually(t, "all have expired, those that were not taken too", func() bool {
					s := q.Stats()
					return s.Undecided == 0 && s.Expired == n
				})
				mu.Lock()
				for i, p := range held {
					if err := p.Accept(); !errors.Is(err, queue.ErrDecided) {
						t.Errorf("Accept after the deadline = %v, want ErrDecided", err)
					}
					if !bytes.Equal(p.Payload, bytesThen[i]) {
						t.Errorf("packet %d was overwritten while the application had it", p.ID)
					}
				}
				mu.Unlock()
				s := settled(t, q)
				q.Close()
				consumer.Wait()
				want := queue.Stats{Received: n, Expired: n, Dropped: n, BuffersLeft: n}
				if action == queue.Accept {
					want.Accepted, want.Dropped = n, 0
					f.wantNumbers(numbers(0, n))
				}
				wantStats(t, s, want)
				if got := sent(); got != int(want.Accepted) {
					t.Errorf("%d packets passed, want %d", got, want.Accepted)
				}
			})
		}
	}
}

// The application and the deadline compete for the same packets.
func TestKernelDeadlineRace(t *testing.T) {
	l := newLab(t)
	f := l.flow(loopback4)
	sent := l.countSent()
	l.queueUDP()
	q := l.open(queue.Config{Deadline: time.Millisecond})
	const rounds, n = 20, 200
	decided := 0
	go func() {
		for i := range rounds {
			f.number(i*n, n)
			for q.Stats().Received < uint64((i+1)*n) {
				time.Sleep(100 * time.Microsecond)
			}
		}
		for q.Stats().Undecided > 0 {
			time.Sleep(time.Millisecond)
		}
		q.Close()
	}()
	var held []queue.Packet
	for p := range q.Packets() {
		if held = append(held, p); len(held) < 50 && p.ID < rounds*n {
			continue
		}
		eventually(t, "the deadline is near", func() bool {
			s := q.Stats()
			return s.OldestUndecided > 900*time.Microsecond || s.Undecided == 0
		})
		for _, p := range held {
			switch err := p.Accept(); {
			case err == nil:
				decided++
			case !errors.Is(err, queue.ErrDecided) && !errors.Is(err, queue.ErrClosed):
				t.Error(err)
			}
		}
		held = held[:0]
	}
	all, accepted := uint64(rounds*n), uint64(decided)
	wantStats(t, settled(t, q), queue.Stats{
		Received: all, Decided: accepted, Accepted: accepted,
		Expired: all - accepted, Dropped: all - accepted, BuffersLeft: all - accepted,
	})
	if got := sent(); got != decided {
		t.Errorf("%d packets passed, want %d", got, decided)
	}
}

// What is decided in time does not expire.
func TestKernelDeadlineMet(t *testing.T) {
	l := newLab(t)
	f := l.flow(loopback4)
	l.queueUDP()
	q := l.open(queue.Config{Deadline: time.Hour})
	l.judge(q.All(), queue.Packet.Accept)
	n := f.room(500)
	f.number(0, n)
	f.wantNumbers(numbers(0, n))
	wantStats(t, settled(t, q), queue.Stats{Received: uint64(n), Decided: uint64(n), Accepted: uint64(n)})
}

func TestKernelOldestUndecided(t *testing.T) {
	l := newLab(t)
	f := l.flow(loopback4)
	l.queueUDP()
	q := l.open(queue.Config{TrackAge: true})
	f.number(0, 2)
	packets := take(t, q, 2)
	var age time.Duration
	eventually(t, "the packets have an age", func() bool {
		age = q.Stats().OldestUndecided
		return age > 0
	})
	accept(t, packets[1])
	eventually(t, "the oldest grows older", func() bool { return q.Stats().OldestUndecided > age })
	accept(t, packets[0])
	if s := settled(t, q); s.OldestUndecided != 0 {
		t.Errorf("OldestUndecided = %v with nothing undecided", s.OldestUndecided)
	}
}
