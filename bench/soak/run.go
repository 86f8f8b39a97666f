package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/ipqueue/ipqueue/internal/leak"
)

// heapGrowth is the number of bytes by which the heap, after a collection, may grow
// after the first warmRounds.
const heapGrowth = 8 << 20

// warmRounds is the number of rounds in which the heap may grow without limit.
const warmRounds = 3

// A soaking is the state of a run, which all its rounds share.
type soaking struct {
	world  *world
	totals totals
	start  leak.Snapshot
	began  time.Time
	rounds int
	warm   uint64 // largest heap after one of the warmRounds, in bytes
}

// run runs rounds for o.time, or until ctx ends, and returns the first violation.
func run(ctx context.Context, o options, w io.Writer) error {
	fmt.Fprintf(w, "seed %d\n", o.seed)
	err := soak(ctx, o, w)
	if err != nil {
		return fmt.Errorf("violation, seed %d: %w", o.seed, err)
	}
	fmt.Fprintln(w, "all counts agree")
	return nil
}

func soak(ctx context.Context, o options, w io.Writer) error {
	world, err := newWorld()
	if err != nil {
		return err
	}
	defer world.table.Delete()
	ctx, cancel := context.WithTimeout(ctx, o.time)
	defer cancel()
	s := &soaking{world: world, start: leak.Take(), began: time.Now()}
	fmt.Fprintln(w, heading)
	r := rand.New(rand.NewPCG(o.seed, 0))
	for ctx.Err() == nil {
		if err := s.round(ctx, o.round, fork(r)); err != nil {
			return err
		}
		if err := s.rest(w); err != nil {
			return err
		}
	}
	return nil
}

// round starts everything, ends it after the given time, and waits for it.
func (s *soaking) round(ctx context.Context, length time.Duration, r *rand.Rand) (err error) {
	ctx, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	t, err := newTraffic()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	main := &post{world: s.world, gate: &t.main, number: mainQueue, mark: acceptedMark, totals: &s.totals}
	second := &post{world: s.world, gate: &t.main, number: secondQueue, mark: secondMark, unasked: requeuedMark, totals: &s.totals}
	children := &nursery{s.world, &t.child, &s.totals}
	all := tasks{failed: func(error) { cancel() }}
	for _, work := range []func(context.Context, *rand.Rand) error{main.serve, second.serve, children.run, t.run} {
		all.start(r, func(r *rand.Rand) error { return work(ctx, r) })
	}
	// Each task may wait up to patience for its last queue to settle.
	return within(length+4*patience, "the round ends", all.wait)
}

// rest checks that the round has left nothing behind, and prints a line.
func (s *soaking) rest(w io.Writer) error {
	s.rounds++
	text, err := os.ReadFile(statusFile)
	if err != nil {
		return err
	}
	if len(text) > 0 {
		return fmt.Errorf("queues are left in the kernel:\n%s", text)
	}
	if leaks := s.start.Leaks(patience); len(leaks) > 0 {
		return fmt.Errorf("left after the round: %s", strings.Join(leaks, "\n"))
	}
	if err := checkChecksums(); err != nil {
		return err
	}
	heap := heapInUse()
	s.report(w, heap)
	return s.checkHeap(heap)
}

// checkHeap fails if the heap has grown too much since the first warmRounds.
func (s *soaking) checkHeap(heap uint64) error {
	if s.rounds <= warmRounds {
		s.warm = max(s.warm, heap)
		return nil
	}
	if heap > s.warm+heapGrowth {
		return fmt.Errorf("the heap has grown from %d to %d bytes, by more than %d", s.warm, heap, heapGrowth)
	}
	return nil
}

const heading = "   time  openings  children    received     decided   expired  overfl.  abandoned    missed  queue full  heap MiB  RSS MiB"

// report prints a line with the totals so far.
func (s *soaking) report(w io.Writer, heap uint64) {
	t := &s.totals
	fmt.Fprintf(w, "%7s %9d %9d %11d %11d %9d %8d %10d %9d %11d %9.1f %8.1f\n",
		time.Since(s.began).Truncate(time.Second), t.openings, t.children, t.stats.Received, t.stats.Decided,
		t.stats.Expired, t.stats.Overflowed, t.stats.Abandoned, t.stats.Missed, t.stats.Kernel.QueueDropped,
		mebibytes(heap), mebibytes(resident()))
}

func mebibytes(n uint64) float64 { return float64(n) / (1 << 20) }

// heapInUse returns the number of bytes of live objects. It collects twice: the second
// collection frees objects that a finalizer or cleanup has released.
func heapInUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// resident returns the resident memory of this process in bytes, or 0 if it is
// unknown.
func resident() uint64 {
	text, _ := os.ReadFile("/proc/self/statm")
	var size, pages uint64
	_, _ = fmt.Sscan(string(text), &size, &pages)
	return pages * uint64(os.Getpagesize())
}

// stacks returns the stacks of all goroutines.
func stacks() string {
	b := make([]byte, 1<<20)
	return string(b[:runtime.Stack(b, true)])
}
