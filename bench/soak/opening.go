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

// patience is how long things may take that must happen.
const patience = 20 * time.Second

// errBored is a reason to end a context.
var errBored = errors.New("bored")

// A post is a queue that this process serves, again and again.
type post struct {
	world  *world
	gate   *gate // what is sent to it
	number uint16
	// Marks of what the application accepts here, and of what passes without
	// having been asked about.
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

// life is one opening of the queue, from before to after.
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

// before is what has passed so far. Nobody may be sending meanwhile: a packet
// that the last opening let pass as it ended could still be on its way to the
// rule that counts it, in its sender's system call.
func (p *post) before() (passage, error) {
	p.gate.Lock()
	defer p.gate.Unlock()
	return p.world.passage()
}

// An opening is an open queue and who serves it.
type opening struct {
	*post
	judge
	cancel    context.CancelCauseFunc
	end       string // how it came to its end
	cause     error  // what Err must say
	consumers int    // 0 for a loop over All
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
	// Who fails ends everything.
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

// disturb lets the queue live for a while and changes its mode.
func (o *opening) disturb(ctx context.Context, r *rand.Rand) error {
	ctx, cancel := context.WithTimeout(ctx, upTo(r, pick(r, 10*time.Millisecond, time.Second, 3*time.Second)))
	defer cancel()
	for ctx.Err() == nil {
		pause(ctx, r, 500*time.Millisecond)
		if maybe(r, 3) {
			// The kernel drops what comes.
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

// finish brings the queue to its end in one of the ways there are.
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

// silence closes the gate and wants the queue to come to rest.
func (o *opening) silence() error {
	o.gate.Lock()
	defer o.gate.Unlock()
	var p problems
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		// The kernel's row is read after the counters: a packet that TCP or
		// ICMP sends by itself may come between.
		if p = settled(o.q.Stats(), o.cfg.FailOpen); len(p) == 0 {
			return nil
		}
	}
	return fmt.Errorf("nothing is sent, but after %v: %w", patience, p)
}

// books are what is known when the queue is closed.
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

// within wants work to be done in time. If it is not, it goes on.
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
