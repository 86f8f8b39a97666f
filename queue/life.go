package queue

import (
	"sync"
	"sync/atomic"
)

// The states of a queue. It goes through them in this order and never back.
const (
	running  int32 = iota
	draining       // the context has ended: no new packets, but those received can be decided
	closing        // no more verdicts are accepted
)

// A life is the state of a queue between Open and its end, and why it ends.
type life struct {
	state   atomic.Int32
	stopped chan struct{} // closed when the queue begins to close
	done    chan struct{} // closed when the queue is closed

	mu     sync.Mutex
	known  bool        // reason is set
	reason error       // why the stream ends
	failed bool        // reason is a failure, not the end of the context
	over   bool        // the stream has ended
	disarm func() bool // stops what will end the queue: first the context, then the timer of Config.Grace
}

func (l *life) init() {
	l.stopped = make(chan struct{})
	l.done = make(chan struct{})
}

// isAt reports whether the queue has reached state.
func (l *life) isAt(state int32) bool { return l.state.Load() >= state }

// advance moves the queue to state, and reports whether this call did it.
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

// because records why the stream ends. Only the first reason counts.
func (l *life) because(err error) { l.record(err, false) }

// instead replaces the reason by a failure that it caused, unless the
// application has already seen the end.
func (l *life) instead(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.over {
		l.reason, l.failed = err, true
	}
}

// failure records a failure as the reason. Only the first reason counts.
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

// why returns the reason, or nil if it is not known yet.
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

// endBy calls start, which arranges that something ends the queue later. disarm
// is called as soon as the queue closes for another reason; otherwise the
// arrangement would keep the memory of the queue alive.
func (l *life) endBy(start func() (disarm func() bool)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.disarm = start()
	if l.isAt(closing) {
		l.disarm()
	}
}

// disarmed calls disarm.
func (l *life) disarmed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.disarm != nil {
		l.disarm()
	}
}
