package queue

import (
	"fmt"
	"strings"
)

// A Diagnosis is what Diagnose found.
type Diagnosis struct {
	// Findings tell everything that was looked at, in the order in which it
	// matters to a packet's way: kernel, privilege, queues, rules, limits.
	Findings []Finding
	// Queues are those that some program has bound, as far as they could be
	// seen.
	Queues []BoundQueue
	// Rules are those that hand packets to any queue of nfnetlink_queue, as
	// far as they could be seen.
	Rules []Rule
}

// Worst is the highest severity among the findings. Below Fault packets can
// flow.
func (d Diagnosis) Worst() Severity {
	worst := Good
	for _, f := range d.Findings {
		worst = max(worst, f.Severity)
	}
	return worst
}

// A Finding is one thing that Diagnose looked at.
type Finding struct {
	Severity Severity
	Subject  Subject
	// Text says what was found, in one sentence.
	Text string
	// Advice says what to do about it. It is empty if there is nothing to do.
	Advice string
	// Err is why something could not be looked at, or was refused; else nil.
	Err error
}

// String returns all of it as one sentence.
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

const (
	Good    Severity = iota // as it should be
	Note                    // worth knowing
	Unseen                  // could not be looked at
	Warning                 // packets are lost, or may be
	Fault                   // packets cannot flow, or Open will be refused
)

func (s Severity) String() string {
	return name(int(s), "Good", "Note", "Unseen", "Warning", "Fault")
}

// A Subject is what a finding is about.
type Subject uint8

const (
	AboutConfig    Subject = iota // what the Config given to Diagnose asks for
	AboutKernel                   // its release, and what that can do
	AboutModule                   // whether the kernel has the queue's module
	AboutPrivilege                // CAP_NET_ADMIN
	AboutQueue                    // who has bound a queue, and how
	AboutRules                    // which rules hand packets to queues
	AboutLoss                     // counters of packets that wait or were lost
	AboutGSO                      // Config.NoGSO
	AboutBuffer                   // Config.ReadBuffer against the system's limit
)

func (s Subject) String() string {
	return name(int(s), "Config", "Kernel", "Module", "Privilege", "Queue",
		"Rules", "Loss", "GSO", "Buffer")
}

// A BoundQueue is a queue that some program has bound.
type BoundQueue struct {
	Backend Backend
	Family  Family // of ip_queue
	Number  uint16 // of nfnetlink_queue
	// Port is the netlink port of the program's socket, Owner names it, with
	// the process if that could be found out.
	Port  uint32
	Owner string
	// Mode is how much of a packet the program gets. DropAll drops every packet.
	Mode Mode
	// Kernel is the kernel's counters for the queue.
	Kernel KernelStats
}

// A Rule is a rule of nftables that hands packets to a queue. Rules that
// iptables makes in nftables (iptables-nft) are among them.
type Rule struct {
	Family string // as nft names it: "inet", "ip", "ip6", "bridge", ...
	Table  string
	Chain  string
	Handle uint64 // names the rule in nft's commands

	// First to Last are the queues among which the rule chooses. They are 0 if
	// it computes the number from the packet, which Computed says.
	First, Last uint16
	Computed    bool
	// Bypass lets packets pass while nobody has bound their queue. Without it
	// they are dropped.
	Bypass bool

	// Packets is how many packets the rule's counter has counted, if it has
	// one, which Counted says.
	Counted bool
	Packets uint64
}

// String names the rule and what it does.
func (r Rule) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s handle %d, queue ", r.Family, r.Table, r.Chain, r.Handle)
	switch {
	case r.Computed:
		b.WriteString("by map")
	case r.First == r.Last:
		fmt.Fprint(&b, r.First)
	default:
		fmt.Fprintf(&b, "%d-%d", r.First, r.Last)
	}
	if r.Bypass {
		b.WriteString(" bypass")
	}
	return b.String()
}

// numbers are the queues among which the rule chooses.
func (r Rule) numbers() []uint16 {
	if r.Computed {
		return nil
	}
	list := make([]uint16, int(r.Last-r.First)+1)
	for i := range list {
		list[i] = r.First + uint16(i)
	}
	return list
}
