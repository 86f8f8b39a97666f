package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"time"

	"github.com/ipqueue/ipqueue/queue"
)

// patience is the longest time to wait for an expected event.
const patience = 20 * time.Second

// errBored is the cause of contexts that end with a cause.
var errBored = errors.New("bored")

// A post is a queue that this process opens again and again.
type post struct {
	world  *world
	gate   *gate // held while packets are sent to the queue
	number uint16
	// The marks of packets that the application accepts at this queue, and of
	// packets that pass the queue without its verdict.
	mark, unasked uint32
	totals        *totals
}

// serve opens and closes the queue until ctx ends.
func (p *post) serve(ctx context.Context, r *rand.Rand) error {
	for ctx.Err() == nil {
		if err := p.life(ctx, fork(r)); err != nil {
			return fmt.Errorf("queue %d: %w", p.number, err)
		}
	}
	return nil
}

// life opens the queue, serves it until its end, and checks all counts.
func (p *post) life(ctx context.Context, r *rand.Rand) error {
	before, err := p.before()
	if err != nil {
		return err
	}
	o, err := p.open(r)
	if err != nil {
		return err
	}
	err = o.live(ctx, r)
	o.q.Close()
	after, err2 := p.world.passage()
	if err := errors.Join(err, err2); err != nil {
		return fmt.Errorf("%w\n%v", err, o)
	}
	b := o.books(after.sub(before))
	p.totals.add(b.stats)
	if problems := b.audit(); len(problems) > 0 {
		return fmt.Errorf("%w\n%v", problems, o)
	}
	return nil
}

// before returns the packets that have passed so far. It closes the gate: otherwise a
// packet that passed at the end of the last opening could still be on its way to the
// rule that counts it, in the system call of its sender.
func (p *post) before() (passage, error) {
	p.gate.Lock()
	defer p.gate.Unlock()
	return p.world.passage()
}

// An opening is an open queue and the goroutines that serve it.
type opening struct {
	*post
	judge
	cancel    context.CancelCauseFunc
	end       string // how the queue ended
	cause     error  // the error that Err must return
	consumers int    // 0 means a loop over All
}

func (p *post) open(r *rand.Rand) (*opening, error) {
	ctx, cancel := context.WithCancelCause(context.Background())
	cfg := randomConfig(r, p.number)
	q, err := queue.Open(ctx, cfg)
	if err != nil {
		cancel(nil)
		return nil, err
	}
	return &opening{post: p, judge: judge{q: q, cfg: cfg, noise: newNoise(), mark: p.mark}, cancel: cancel, consumers: r.IntN(4)}, nil
}

// live serves the queue from its opening to its end.
func (o *opening) live(ctx context.Context, r *rand.Rand) error {
	defer o.cancel(nil)
	// If a consumer fails, everything ends.
	consumers := tasks{failed: func(error) { o.q.Close() }}
	for range max(o.consumers, 1) {
		consumers.start(r, o.consume)
	}
	shelves := tasks{failed: consumers.failed}
	stop := make(chan struct{})
	shelves.start(r, func(r *rand.Rand) error { return o.shelf.run(stop, r, o.decide) })
	err := errors.Join(o.disturb(ctx, r), o.finish(r))
	err = errors.Join(err, within(patience, "the stream ends", consumers.wait))
	if err == nil && !errors.Is(o.q.Err(), o.cause) {
		err = fmt.Errorf("Err() = %w, want %v", o.q.Err(), o.cause)
	}
	close(stop)
	return errors.Join(err, shelves.wait())
}

func (o *opening) consume(r *rand.Rand) error {
	for packet := range o.stream() {
		if err := o.receive(r, packet); err != nil {
			return err
		}
	}
	return nil
}

// stream ranges over the queue's packets in one of the two ways.
func (o *opening) stream() iter.Seq[queue.Packet] {
	if o.consumers == 0 {
		return o.q.All()
	}
	return func(yield func(queue.Packet) bool) {
		for packet := range o.q.Packets() {
			if !yield(packet) {
				return
			}
		}
	}
}

// disturb waits for a random time, and changes the mode of the queue meanwhile.
func (o *opening) disturb(ctx context.Context, r *rand.Rand) error {
	ctx, cancel := context.WithTimeout(ctx, upTo(r, pick(r, 10*time.Millisecond, time.Second, 3*time.Second)))
	defer cancel()
	for ctx.Err() == nil {
		pause(ctx, r, 500*time.Millisecond)
		if maybe(r, 3) {
			// The kernel drops new packets.
			if err := o.setMode(queue.DropAll); err != nil {
				return err
			}
			pause(ctx, r, 5*time.Millisecond)
		}
		if err := o.setMode(randomMode(r)); err != nil {
			return err
		}
	}
	return nil
}

// finish ends the queue in one of the possible ways.
func (o *opening) finish(r *rand.Rand) error {
	switch r.IntN(5) {
	case 0:
		o.end = "closed"
		o.q.Close()
	case 1:
		o.end = "context canceled"
		o.cancel(nil)
	case 2:
		o.end, o.cause = "context ended with a cause", errBored
		o.cancel(errBored)
	default:
		o.end = "closed in silence"
		defer o.q.Close()
		return o.silence()
	}
	return nil
}

// silence closes the gate and waits until the counters of the queue are settled.
func (o *opening) silence() error {
	o.gate.Lock()
	defer o.gate.Unlock()
	var p problems
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		// The kernel's row is read after the counters. A packet that the kernel
		// sends by itself, for TCP or ICMP, may arrive between the two.
		if p = settled(o.q.Stats(), o.cfg.FailOpen); len(p) == 0 {
			return nil
		}
	}
	return fmt.Errorf("%v after the last packet was sent: %w", patience, p)
}

// books returns the counts about the closed queue.
func (o *opening) books(p passage) books {
	b := books{
		stats:   o.q.Stats(),
		given:   o.given.tally,
		passed:  passed{accepted: p[o.post.mark], unasked: p[o.unasked]},
		lenient: o.cfg.FailOpen || o.cfg.OnClose == queue.Accept,
	}
	if o.post.mark == acceptedMark {
		b.passed.repeated = p[repeatedMark]
	}
	return b
}

func (o *opening) String() string {
	cfg := o.cfg
	cfg.OnRefused = nil
	return fmt.Sprintf("end: %s\nverdicts given: %+v\nstats: %v\nkernel: %+v\nconsumers: %d\nconfig: %+v\neach: %t",
		o.end, o.given.tally, o.q.Stats(), o.q.Stats().Kernel, o.consumers, cfg, o.cfg.OnRefused != nil)
}

// within runs work and returns its error. If work takes longer than limit, within
// fails, and work goes on.
func within(limit time.Duration, what string, work func() error) error {
	done := make(chan error, 1)
	go func() { done <- work() }()
	select {
	case err := <-done:
		return err
	case <-time.After(limit):
		return fmt.Errorf("waited %v in vain until %s\n%s", limit, what, stacks())
	}
}
