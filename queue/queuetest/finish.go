package queuetest

import (
	"slices"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
)

// finish ends the test. Nothing else uses k any more.
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

// checkSent tells of the packets that no verdict decided.
func (k *Kernel) checkSent() {
	k.t.Helper()
	k.until(func() bool {
		return !slices.ContainsFunc(k.sent, func(s *Sent) bool { return k.waits(s.journey) })
	})
	for _, s := range k.sent {
		k.check(s)
	}
}

// waits reports whether the packet, or a segment of it, waits for a verdict that
// it must get.
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

func (k *Kernel) check(s *Sent) {
	k.t.Helper()
	o := s.Outcome()
	for _, segment := range o.Segments {
		k.check(segment)
	}
	if o.Fate != Segmented && !o.Fate.decided() && !k.excused(s.journey, o.Fate) {
		k.t.Errorf("%v, sent at %s, %s", s, s.from, s.sentence(&o))
	}
}

// excused reports whether the test may end with a packet of that fate.
func (k *Kernel) excused(j *kerneltest.Journey, f Fate) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.judged[j] || k.forgiven[f]
}

// judge notes that there is nothing more to say about a packet.
func (k *Kernel) judge(j *kerneltest.Journey) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.judged[j] = true
}

// forgive notes fates that a fault explains.
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
		k.t.Errorf("queues left open after %v: %d (Queue.Close or the end of Kernel.Context closes one)",
			k.opts.Timeout, len(k.kernel.Sockets()))
	}
}
