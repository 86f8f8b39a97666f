package kerneltest

import (
	"bytes"
	"slices"
	"strconv"
)

// A Fate is what happened to a packet.
type Fate uint8

// The fates of a packet.
const (
	Pending     Fate = iota // waits for a verdict
	Accepted                // continues with the remaining hook functions
	Stopped                 // skips the remaining hook functions: NF_STOP, or NF_ACCEPT with other bits set
	Dropped                 // dropped by a verdict
	Unreplaced              // dropped: the replacement could not be applied
	QueueFull               // dropped: the queue was full
	Unheard                 // dropped: no socket has bound the queue
	Unwanted                // dropped: the copy mode of the queue is NONE
	Undelivered             // dropped: the receive buffer was full, or the socket did not exist
	Flushed                 // dropped: the owner, interface, hook or module went away
	FailedOpen              // accepted without a verdict, because of NFQA_CFG_F_FAIL_OPEN
	Bypassed                // accepted without a verdict: no socket has bound the queue
	Segmented               // split into segments, each with its own Journey
)

var fateNames = [...]string{
	Pending: "Pending", Accepted: "Accepted", Stopped: "Stopped", Dropped: "Dropped",
	Unreplaced: "Unreplaced", QueueFull: "QueueFull", Unheard: "Unheard",
	Unwanted: "Unwanted", Undelivered: "Undelivered", Flushed: "Flushed",
	FailedOpen: "FailedOpen", Bypassed: "Bypassed", Segmented: "Segmented",
}

func (f Fate) String() string {
	if int(f) < len(fateNames) {
		return fateNames[f]
	}
	return "Fate(" + strconv.Itoa(int(f)) + ")"
}

// Passes reports whether the packet continued on its way.
func (f Fate) Passes() bool {
	return f == Accepted || f == Stopped || f == FailedOpen || f == Bypassed
}

// A Verdict is a verdict that was applied to a packet.
type Verdict struct {
	Word  uint32 // verdict, with the queue in the upper 16 bits
	Seq   uint32 // nlmsg_seq of its message
	Batch bool   // sent as NFQNL_MSG_VERDICT_BATCH
}

// A Result describes what has happened to a packet so far.
type Result struct {
	Fate Fate

	// Packet is the packet as it is now: once its Fate passes, as it left. Its
	// Conntrack is a copy.
	Packet Packet

	// Replaced reports whether a verdict replaced the payload.
	Replaced bool

	// IDs are the ids under which it was queued, one more for each time.
	IDs []uint64

	// Verdicts are those that were applied, in order. Exactly one is usual,
	// and one more for each time the packet was queued again.
	Verdicts []Verdict

	// Conntrack and Expect are NFQA_CT and NFQA_EXP of the last verdict whose
	// NFQA_CT the kernel applied.
	Conntrack, Expect []byte

	// Segments are the journeys of the segments, if Fate is Segmented.
	Segments []*Journey
}

// A Journey is one packet's way through the kernel.
type Journey struct {
	k      *Kernel
	done   chan struct{}
	result Result        // guarded by the kernel's lock
	next   chan struct{} // closed at the next verdict or the end; nil if no goroutine waits
}

func newJourney(k *Kernel, p Packet) *Journey {
	p = p.clone()
	p.Family = or(p.Family, IPv4)
	return &Journey{k: k, done: make(chan struct{}), result: Result{Packet: p}}
}

// Done returns a channel that is closed once the fate is decided.
func (j *Journey) Done() <-chan struct{} { return j.done }

// Wait waits until the fate is decided, and returns it.
func (j *Journey) Wait() Fate {
	<-j.done
	return j.Fate()
}

// Watch returns the current Result, and a channel that is closed when a verdict or
// the end changes it.
func (j *Journey) Watch() (Result, <-chan struct{}) {
	j.k.mu.Lock()
	defer j.k.mu.Unlock()
	if j.next == nil {
		j.next = make(chan struct{})
	}
	return j.copyResult(), j.next
}

func (j *Journey) changed() {
	if j.next != nil {
		close(j.next)
		j.next = nil
	}
}

// Fate returns the current fate of the packet.
func (j *Journey) Fate() Fate {
	j.k.mu.Lock()
	defer j.k.mu.Unlock()
	return j.result.Fate
}

// Result returns a copy of the current Result.
func (j *Journey) Result() Result {
	j.k.mu.Lock()
	defer j.k.mu.Unlock()
	return j.copyResult()
}

func (j *Journey) copyResult() Result {
	r := j.result
	r.Packet = r.Packet.clone()
	r.Packet.Conntrack = r.Packet.Conntrack.clone()
	r.IDs = slices.Clone(r.IDs)
	r.Verdicts = slices.Clone(r.Verdicts)
	r.Segments = slices.Clone(r.Segments)
	return r
}

func (j *Journey) packet() *Packet { return &j.result.Packet }

func (j *Journey) end(f Fate) {
	j.result.Fate = f
	close(j.done)
	j.changed()
}

// queued records that the packet waits with the given id.
func (j *Journey) queued(id uint64) { j.result.IDs = append(j.result.IDs, id) }

// decided records a verdict.
func (j *Journey) decided(v Verdict) {
	j.result.Verdicts = append(j.result.Verdicts, v)
	j.changed()
}

// replace replaces the payload of the packet.
func (j *Journey) replace(payload []byte) {
	j.packet().replace(payload)
	j.result.Replaced = true
}

// track records the conntrack attributes of a verdict.
func (j *Journey) track(conntrack, expect []byte) {
	j.result.Conntrack = bytes.Clone(conntrack)
	j.result.Expect = bytes.Clone(expect)
}
