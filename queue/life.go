package queue

import (
	"sync"
	"sync/atomic"
)

// The states that a queue's life goes through, in order and never back.
const (
	running  int32 = iota
	draining       // the context ended: no new packets, those received may be decided
	closing        // no more verdicts
)

// A life is how far a queue has come on the way to its end, and why it ends.
type life struct {
	state   atomic.Int32
	stopped chan struct{} // closed when the queue begins to close
	done    chan struct{} // closed when nothing is left to do

	mu     sync.Mutex
	known  bool
	reason error       // why the stream ends, once known
	failed bool        // reason is a failure, not how the context ended
	over   bool        // the stream has ended
	disarm func() bool // keeps the context or, after that has ended, Config.Grace from ending the queue
}

func (l *life) init() {
	l.stopped = make(chan struct{})
	l.done = make(chan struct{})
}

// isAt reports whether the life has come to state, or beyond.
func (l *life) isAt(state int32) bool { return l.state.Load() >= state }

// advance moves the life on to state and reports whether this call did it.
func (l *life) advance(state int32) bool {
	for {
		now := l.state.Load()
		if now >= state {
			return false
		}
		if l.state.CompareAndSwap(now, state) {
			return true
		}
	}
}

// because records why the stream ends. The first reason counts.
func (l *life) because(err error) { l.record(err, false) }

// instead replaces the reason with a failure that followed from it, unless the
// application has seen the end.
func (l *life) instead(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.over {
		l.reason, l.failed = err, true
	}
}

// failure records a failure as the reason.
func (l *life) failure(err error) { l.record(err, true) }

func (l *life) record(err error, failed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.known {
		l.known, l.reason, l.failed = true, err, failed
	}
}

// hasFailed reports whether the stream ends because of a failure.
func (l *life) hasFailed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed
}

// why returns the reason, as far as it is known.
func (l *life) why() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reason
}

// streamEnded records that the application has seen the end of the stream.
func (l *life) streamEnded() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
}

// ended reports whether the stream has ended, and why.
func (l *life) ended() (over bool, reason error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.over {
		return false, nil
	}
	return true, l.reason
}

// endBy calls start for something that will end the queue, and has it disarmed
// as soon as the queue ends otherwise: it would keep the queue's memory.
func (l *life) endBy(start func() (disarm func() bool)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.disarm = start()
	if l.isAt(closing) {
		l.disarm()
	}
}

// disarmed disarms what was to end the queue.
func (l *life) disarmed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.disarm != nil {
		l.disarm()
	}
}
