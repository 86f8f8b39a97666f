package queuetest

import "strconv"

// A Fate is what became of a packet.
type Fate uint8

// The fates of a packet.
const (
	Pending     Fate = iota // waits for a verdict
	Accepted                // goes on: queue.Accept, with or without a replacement
	Stopped                 // goes on past the remaining chains of its hook: queue.Stop
	Dropped                 // by a verdict: queue.Drop
	Unreplaced              // dropped by the kernel, which could not apply the replacement
	QueueFull               // dropped: the queue had no room (Config.QueueLength)
	Unheard                 // dropped: nobody had opened the queue
	Unwanted                // dropped: the queue was in mode DropAll, as after the end of its context
	Undelivered             // dropped: the socket's receive buffer had no room
	Flushed                 // dropped while it waited: the queue was closed, or its interface or rule went away
	FailedOpen              // passed without a verdict, because of Config.FailOpen
	Bypassed                // passed without a verdict, because of Packet.Bypass
	Segmented               // cut into segments with fates of their own
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

// Passes reports whether the packet went on its way.
func (f Fate) Passes() bool {
	return f == Accepted || f == Stopped || f == FailedOpen || f == Bypassed
}

// decided reports whether a program's verdict did it.
func (f Fate) decided() bool { return f == Accepted || f == Stopped || f == Dropped }

// sentences tell each fate in a message that begins with the packet.
var sentences = [...]string{
	Pending:     "still waits for a verdict",
	Accepted:    "was accepted",
	Stopped:     "was accepted with queue.Stop",
	Dropped:     "was dropped by a verdict",
	Unreplaced:  "was dropped by the kernel, which could not apply the replacement",
	QueueFull:   "was dropped by the kernel: the queue had no room",
	Unheard:     "was dropped by the kernel: nobody had opened ", // the queue's name follows
	Unwanted:    "was dropped by the kernel: the queue was in mode DropAll, as after the end of its context",
	Undelivered: "was dropped by the kernel: the socket's receive buffer had no room",
	Flushed:     "was dropped by the kernel while it waited for a verdict: the queue was closed, or the interface or rule went away",
	FailedOpen:  "passed without a verdict, because of Config.FailOpen",
	Bypassed:    "passed without a verdict, because of Packet.Bypass",
	Segmented:   "was cut into segments",
}
