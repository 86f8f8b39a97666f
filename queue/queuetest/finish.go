package queuetest

import (
	"slices"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
)

// finish runs the checks at the end of the test. No other goroutine of the test
// uses k then.
func (k *Kernel) finish() {
	k.t.Helper()
	unlabel()
	if !k.opts.AllowUndecided {
		k.checkSent()
	}
	k.cancel()
	for _, q := range k.queues {
		_ = q.Close() // always nil
	}
	k.checkPrograms()
	k.checkSockets()
	k.unuse()
	if !k.opts.AllowLeaks {
		k.checkGoroutines()
	}
}

// mostReported is the number of packets that checkSent reports one by one.
const mostReported = 10

// checkSent reports the packets that no verdict decided.
func (k *Kernel) checkSent() {
	k.t.Helper()
	k.until(func() bool {
		return !slices.ContainsFunc(k.sent, func(s *Sent) bool { return k.waits(s.journey) })
	})
	var failed []*Sent
	for _, s := range k.sent {
		failed = k.undecided(failed, s)
	}
	for i, s := range failed {
		if i == mostReported {
			k.t.Errorf("and %d more not decided by a verdict", len(failed)-i)
			return
		}
		o := s.Outcome()
		k.t.Errorf("%v, sent at %s, %s", s, s.from, s.sentence(&o))
	}
}

// waits reports whether the packet or one of its segments still waits for a
// verdict that the test requires.
func (k *Kernel) waits(j *kerneltest.Journey) bool {
	switch f := Fate(j.Fate()); f {
	case Pending:
		return !k.excused(j, f)
	case Segmented:
		return slices.ContainsFunc(j.Result().Segments, k.waits)
	default:
		return false
	}
}

// undecided appends s, or its segments, to list if no verdict decided them and the
// test requires one.
func (k *Kernel) undecided(list []*Sent, s *Sent) []*Sent {
	o := s.Outcome()
	for _, segment := range o.Segments {
		list = k.undecided(list, segment)
	}
	if o.Fate != Segmented && !o.Fate.decided() && !k.excused(s.journey, o.Fate) {
		list = append(list, s)
	}
	return list
}

// excused reports whether the test may end with packet j having fate f.
func (k *Kernel) excused(j *kerneltest.Journey, f Fate) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.judged[j] || k.forgiven[f]
}

// judge marks a packet as judged: the end of the test does not check it again.
func (k *Kernel) judge(j *kerneltest.Journey) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.judged[j] = true
}

// forgive adds fates that no longer fail the test, because a simulated fault can
// cause them.
func (k *Kernel) forgive(fates ...Fate) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, f := range fates {
		k.forgiven[f] = true
	}
}

func (k *Kernel) checkSockets() {
	k.t.Helper()
	if !k.until(func() bool { return len(k.kernel.Sockets()) == 0 }) {
		k.t.Errorf("queues left open after %v: %d (close a queue with Queue.Close or by ending its context)",
			k.opts.Timeout, len(k.kernel.Sockets()))
	}
}
