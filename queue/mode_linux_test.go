package queue_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/ipqueue/ipqueue/queue"
)

func setMode(t testing.TB, q *queue.Queue, m queue.Mode) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := q.SetMode(ctx, m); err != nil {
		t.Fatalf("SetMode(%v) = %v", m, err)
	}
}

// wantLengths receives the next packet and accepts it. It checks that the
// packet has length bytes, of which copied are in Payload.
func wantLengths(t *testing.T, q *queue.Queue, copied, length int) {
	t.Helper()
	p := take(t, q, 1)[0]
	if len(p.Payload) != copied || int(p.Length) != length || p.Truncated() != (copied < length) {
		t.Errorf("%d of %d bytes, Truncated %t, want %d of %d", len(p.Payload), p.Length, p.Truncated(), copied, length)
	}
	accept(t, p)
}

func TestKernelMode(t *testing.T) {
	const size = 1000
	text := strings.Repeat("t", size-28)
	for _, test := range []struct {
		mode           queue.Mode
		copied, length int
	}{
		{queue.WholePacket, size, size},
		{queue.Range(1), 1, size},
		{queue.Range(28), 28, size},
		{queue.Range(size - 1), size - 1, size},
		{queue.Range(size), size, size},
		{queue.Range(1 << 20), size, size},
		// The kernel tells the length with a payload only.
		{queue.MetaOnly, 0, 0},
	} {
		t.Run(test.mode.String(), func(t *testing.T) {
			l := newLab(t)
			f := l.flow(loopback4)
			l.queueUDP()
			// From Open on, and after having been something else.
			q := l.open(queue.Config{Mode: test.mode})
			f.send(text)
			wantLengths(t, q, test.copied, test.length)
			setMode(t, q, queue.Range(77))
			f.send(text)
			wantLengths(t, q, 77, size)
			setMode(t, q, test.mode)
			f.send(text)
			wantLengths(t, q, test.copied, test.length)
			f.want(text, text, text)
			wantStats(t, settled(t, q), queue.Stats{Received: 3, Decided: 3, Accepted: 3})
		})
	}
}

// TestKernelModeNone checks that in mode DropAll the kernel drops new packets,
// and that packets queued before can still be decided.
func TestKernelModeNone(t *testing.T) {
	l := newLab(t)
	f := l.flow(loopback4)
	l.queueUDP()
	q := l.open(queue.Config{})
	f.send("before")
	setMode(t, q, queue.DropAll)
	f.send("during")
	setMode(t, q, queue.WholePacket)
	f.send("after")
	for _, p := range take(t, q, 2) {
		accept(t, p)
	}
	f.want("before", "after")
	wantStats(t, settled(t, q), queue.Stats{Received: 2, Decided: 2, Accepted: 2})
}

// Whoever waits for the answer may be the one who is to empty the channel.
func TestKernelSetModeInsideLoop(t *testing.T) {
	for _, stream := range streams {
		t.Run(stream.name, func(t *testing.T) {
			l := newLab(t)
			f := l.flow(loopback4)
			l.queueUDP()
			q := l.open(queue.Config{Buffer: 2})
			n := f.room(500)
			f.number(0, n)
			seen := 0
			for p := range stream.of(q) {
				if got := numberOf(p); got != seen {
					t.Fatalf("packet %d came after %d", got, seen)
				}
				seen++
				switch seen {
				case 1, 100, 101, 102, n - 10:
					setMode(t, q, queue.Range(32+seen))
				}
				accept(t, p)
				if seen == n {
					break
				}
			}
			f.wantNumbers(numbers(0, n))
			s := settled(t, q)
			wantStats(t, s, queue.Stats{Received: uint64(n), Decided: uint64(n), Accepted: uint64(n)})
		})
	}
}

// Packets that arrive all the time do not hide the answer.
func TestKernelSetModeDuringFlood(t *testing.T) {
	for _, stream := range streams {
		t.Run(stream.name, func(t *testing.T) {
			l := newLab(t)
			l.queueUDP()
			q := l.open(queue.Config{Buffer: 10})
			stop := l.flood(q)
			changes, last := 0, uint64(0)
			for p := range stream.of(q) {
				if p.ID <= last {
					t.Fatalf("packet %d came after %d", p.ID, last)
				}
				last = p.ID
				accept(t, p)
				if p.ID%50 == 0 {
					setMode(t, q, queue.Range(40+changes))
					changes++
				}
				if changes == 40 {
					break
				}
			}
			stop()
			l.judge(stream.of(q), queue.Packet.Accept)
			if s := settled(t, q); s.Missed > 0 || s.Refused > 0 {
				t.Errorf("%d missed, %d refused", s.Missed, s.Refused)
			}
		})
	}
}

func TestKernelSetModeGivesUp(t *testing.T) {
	l := newLab(t)
	q := l.open(queue.Config{})
	ctx, cancel := context.WithCancelCause(context.Background())
	why := errors.New("changed my mind")
	cancel(why)
	if err := q.SetMode(ctx, queue.MetaOnly); err != nil && !errors.Is(err, why) {
		t.Errorf("SetMode with an ended context = %v, want its cause", err)
	}
	if err := q.SetMode(l.ctx, queue.DropAll-1); !errors.Is(err, queue.ErrInvalid) {
		t.Errorf("SetMode of an unknown mode = %v, want ErrInvalid", err)
	}
	q.Close()
	if err := q.SetMode(l.ctx, queue.MetaOnly); !errors.Is(err, queue.ErrClosed) {
		t.Errorf("SetMode after Close = %v, want ErrClosed", err)
	}
}
