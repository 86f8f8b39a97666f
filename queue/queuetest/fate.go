package queuetest

import "strconv"

// A Fate is what happened to a packet.
type Fate uint8

// The fates of a packet.
const (
	Pending     Fate = iota // waits for a verdict
	Accepted                // passed by the verdict queue.Accept, with or without a replacement
	Stopped                 // passed by the verdict queue.Stop, which skips the hook's other chains
	Dropped                 // dropped by the verdict queue.Drop
	Unreplaced              // dropped by the kernel: it could not apply the replacement
	QueueFull               // dropped by the kernel: the queue was full (Config.QueueLength)
	Unheard                 // dropped by the kernel: no program had opened the queue
	Unwanted                // dropped by the kernel: mode DropAll, as after the end of the context
	Undelivered             // dropped by the kernel: the socket's receive buffer was full
	Flushed                 // dropped by the kernel while it waited: queue closed, interface or rule gone
	FailedOpen              // passed without a verdict: Config.FailOpen, or OnClose Accept after the end of the context
	Bypassed                // passed without a verdict, because of Packet.Bypass
	Segmented               // split into segments, each with its own Fate
)

var fateNames = [...]string{
	Pending: "Pending", Accepted: "Accepted", Stopped: "Stopped", Dropped: "Dropped",
	Unreplaced: "Unreplaced", QueueFull: "QueueFull", Unheard: "Unheard",
	Unwanted: "Unwanted", Undelivered: "Undelivered", Flushed: "Flushed",
	FailedOpen: "FailedOpen", Bypassed: "Bypassed", Segmented: "Segmented",
}

// String returns the name of the constant.
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

// decided reports whether a verdict of the program caused the fate.
func (f Fate) decided() bool { return f == Accepted || f == Stopped || f == Dropped }

// sentences contains the predicate of a message whose subject is the packet.
var sentences = [...]string{
	Pending:     "still waits for a verdict",
	Accepted:    "was accepted",
	Stopped:     "was accepted with queue.Stop",
	Dropped:     "was dropped by a verdict",
	Unreplaced:  "was dropped by the kernel: it could not apply the replacement",
	QueueFull:   "was dropped by the kernel: the queue was full",
	Unheard:     "was dropped by the kernel: no program had opened ", // Sent.sentence appends the queue
	Unwanted:    "was dropped by the kernel: the queue was in mode DropAll, as after the end of its context",
	Undelivered: "was dropped by the kernel: the socket's receive buffer was full",
	Flushed:     "was dropped by the kernel while it waited for a verdict: the queue was closed, or the interface or rule went away",
	FailedOpen:  "passed without a verdict, because of Config.FailOpen, or of OnClose Accept after the end of the queue's context",
	Bypassed:    "passed without a verdict, because of Packet.Bypass",
	Segmented:   "was split into segments",
}
