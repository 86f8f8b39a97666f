package diagnose

import (
	"fmt"

	"github.com/ipqueue/ipqueue/queue"
)

// A Report is what Run found.
type Report struct {
	// Findings describe everything that was looked at, in the order in which
	// a packet depends on it: kernel, privilege, queues, rules, limits.
	Findings []Finding
	// Queues are the queues that some program has bound, as far as they could
	// be seen.
	Queues []BoundQueue
	// Rules are the rules that hand packets to any queue of nfnetlink_queue,
	// as far as they could be seen.
	Rules []Rule
}

// Worst returns the highest severity among the findings. Below Fault packets
// can flow.
func (r Report) Worst() Severity {
	worst := Good
	for _, f := range r.Findings {
		worst = max(worst, f.Severity)
	}
	return worst
}

// A Finding is one thing that Run looked at.
type Finding struct {
	Severity Severity
	Subject  Subject
	// Text says what was found, in one sentence.
	Text string
	// Advice says what to do about it. It is empty if there is nothing to do.
	Advice string
	// Err is why something could not be looked at, or was refused. It is nil
	// otherwise.
	Err error
}

// String returns all of the finding as one sentence.
func (f Finding) String() string {
	text := f.Text
	if f.Err != nil {
		text += ": " + f.Err.Error()
	}
	if f.Advice != "" {
		text += "; " + f.Advice
	}
	return text + "."
}

// A Severity is how bad a finding is.
type Severity uint8

// The severities, in rising order.
const (
	Good    Severity = iota // as it should be
	Note                    // worth knowing
	Unseen                  // could not be looked at
	Warning                 // packets are lost, or may be
	Fault                   // packets cannot flow, or Open will fail
)

func (s Severity) String() string {
	return name(int(s), "Good", "Note", "Unseen", "Warning", "Fault")
}

// A Subject is what a finding is about.
type Subject uint8

// What findings are about.
const (
	AboutConfig    Subject = iota // what the Config given to Run asks for
	AboutKernel                   // the kernel's release, and what it can do
	AboutModule                   // whether the kernel has the queue's module
	AboutPrivilege                // CAP_NET_ADMIN
	AboutQueue                    // who has bound a queue, and how
	AboutRules                    // which rules hand packets to queues
	AboutLoss                     // packets that wait or were lost
	AboutGSO                      // Config.NoGSO
	AboutBuffer                   // Config.ReadBuffer against the system's limit
)

func (s Subject) String() string {
	return name(int(s), "Config", "Kernel", "Module", "Privilege", "Queue",
		"Rules", "Loss", "GSO", "Buffer")
}

// name returns names[i], or i itself if there is none.
func name(i int, names ...string) string {
	if i < len(names) {
		return names[i]
	}
	return fmt.Sprintf("unknown (%d)", i)
}

// A BoundQueue is a queue that some program has bound.
type BoundQueue struct {
	Backend queue.Backend
	Family  queue.Family // of ip_queue
	Number  uint16       // of nfnetlink_queue
	// Port is the netlink port of the program's socket.
	Port uint32
	// Process is the number of a process that holds the socket, and Name its
	// name. They are zero if the process could not be found.
	Process int
	Name    string
	// Mode is how much of a packet the program gets.
	Mode queue.Mode
	// Kernel contains the kernel's counters of the queue.
	Kernel queue.KernelStats
}

// String names the queue: "Queue 5", "ip6_queue".
func (q BoundQueue) String() string {
	switch {
	case q.Backend == queue.NFQueue:
		return fmt.Sprintf("Queue %d", q.Number)
	case q.Family == queue.IPv6:
		return "ip6_queue"
	}
	return "ip_queue"
}
