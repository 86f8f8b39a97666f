package diagnose

import (
	"fmt"

	"github.com/ipqueue/ipqueue/queue"
)

// A Report is the result of Run.
type Report struct {
	// Findings describes everything that Run checked, in the order in which a
	// packet depends on it: kernel, privilege, queues, rules, limits.
	Findings []Finding
	// Queues contains the queues that programs have bound, as far as Run could
	// read them.
	Queues []BoundQueue
	// Rules contains the rules that send packets to any queue of
	// nfnetlink_queue, as far as Run could read them.
	Rules []Rule
}

// Worst returns the highest severity among the findings. If it is below Fault,
// packets can flow.
func (r Report) Worst() Severity {
	worst := Good
	for _, f := range r.Findings {
		worst = max(worst, f.Severity)
	}
	return worst
}

// A Finding is the result of one check.
type Finding struct {
	Severity Severity
	Subject  Subject
	// Text is the result in one sentence, without the final period.
	Text string
	// Advice is what to do about it. It is empty if there is nothing to do.
	Advice string
	// Err is the reason why something could not be checked or was refused. It
	// is nil otherwise.
	Err error
}

// String returns the text, the error and the advice as one sentence.
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
	Good    Severity = iota // in order
	Note                    // worth knowing
	Unseen                  // could not be checked
	Warning                 // packets are lost, or may be lost
	Fault                   // packets cannot flow, or Open will fail
)

// String returns the name of the constant.
func (s Severity) String() string {
	return name("Severity", uint8(s), "Good", "Note", "Unseen", "Warning", "Fault")
}

// A Subject is the subject of a finding.
type Subject uint8

// The subjects.
const (
	AboutConfig    Subject = iota // the Config passed to Run
	AboutKernel                   // the kernel's release and features
	AboutModule                   // the kernel module of the queue
	AboutPrivilege                // CAP_NET_ADMIN
	AboutQueue                    // the programs that have bound queues, and their modes
	AboutRules                    // the rules that send packets to queues
	AboutLoss                     // packets that wait or were lost
	AboutGSO                      // Config.NoGSO
	AboutBuffer                   // Config.ReadBuffer and the system's limit
)

// String returns the name of the constant without "About".
func (s Subject) String() string {
	return name("Subject", uint8(s), "Config", "Kernel", "Module", "Privilege", "Queue",
		"Rules", "Loss", "GSO", "Buffer")
}

// name returns names[v], or a text such as "Subject(9)" if there is no such name.
func name(typ string, v uint8, names ...string) string {
	if int(v) < len(names) {
		return names[v]
	}
	return fmt.Sprintf("%s(%d)", typ, v)
}

// A BoundQueue is a queue that a program has bound.
type BoundQueue struct {
	Backend queue.Backend
	Family  queue.Family // of ip_queue
	Number  uint16       // of nfnetlink_queue
	// Port is the netlink port of the program's socket.
	Port uint32
	// Process is the id of a process that has the socket open, and Name its
	// name. They are zero if no such process was found.
	Process int
	Name    string
	// Mode is how much of each packet the program receives.
	Mode queue.Mode
	// Kernel contains the kernel's counters of the queue.
	Kernel queue.KernelStats
}

// String returns the name of the queue, for example "Queue 5" or "ip6_queue".
func (q BoundQueue) String() string {
	switch {
	case q.Backend == queue.NFQueue:
		return fmt.Sprintf("Queue %d", q.Number)
	case q.Family == queue.IPv6:
		return "ip6_queue"
	}
	return "ip_queue"
}
