package diagnose

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A Rule is a rule of nftables that hands packets to a queue. Rules that
// iptables makes in nftables (iptables-nft) are among them.
type Rule struct {
	Family string // as nft names it: "inet", "ip", "ip6", "bridge", ...
	Table  string
	Chain  string
	Handle uint64 // identifies the rule in nft's commands

	// Numbers are the queues among which the rule chooses, in ascending order.
	// It is nil if the rule computes the number in a way that is not known.
	Numbers []uint16
	// By is how the rule chooses: "" for one queue, or for a hash of both
	// addresses over several; "fanout" for the number of the processor; else
	// the expression that computes the number: "numgen", "symhash", "jhash" or
	// "map".
	By string
	// Bypass lets packets pass while nobody has bound their queue. Without it
	// they are dropped.
	Bypass bool
	// Idle is why no packet reaches the rule. It is empty otherwise.
	Idle Idle

	// Packets is how many packets the rule's counter has counted, if it has
	// one, which Counted reports.
	Counted bool
	Packets uint64
}

// An Idle is why no packet reaches a rule.
type Idle string

// Reasons why a rule does not feed its queue.
const (
	DormantTable     Idle = "its table is dormant"
	UnreachableChain Idle = "no base chain leads to its chain"
)

// String names the rule and what it does, as in
//
//	inet filter output handle 4, queue 0-3 fanout bypass
func (r Rule) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s handle %d, queue ", r.Family, r.Table, r.Chain, r.Handle)
	switch {
	case r.By == "" || r.By == "fanout":
		b.WriteString(join(r.Numbers))
	case r.Numbers == nil:
		b.WriteString("by " + r.By)
	default:
		b.WriteString(join(r.Numbers) + " by " + r.By)
	}
	if r.By == "fanout" {
		b.WriteString(" fanout")
	}
	if r.Bypass {
		b.WriteString(" bypass")
	}
	return b.String()
}

// feeds reports whether the rule may hand packets to a queue.
func (r Rule) feeds(number uint16) bool {
	return r.Idle == "" && (r.Numbers == nil || slices.Contains(r.Numbers, number))
}

// through returns the numbers from first on, n of them.
func through(first uint16, n int) []uint16 {
	n = min(n, 1<<16-int(first))
	list := make([]uint16, n)
	for i := range list {
		list[i] = first + uint16(i)
	}
	return list
}

// join lists ascending numbers: "1-3, 7".
func join(list []uint16) string {
	var parts []string
	for first := 0; first < len(list); {
		last := first
		for last+1 < len(list) && list[last+1] == list[last]+1 {
			last++
		}
		part := fmt.Sprint(list[first])
		if last > first {
			part = fmt.Sprintf("%d-%d", list[first], list[last])
		}
		parts = append(parts, part)
		first = last + 1
	}
	return strings.Join(parts, ", ")
}

// queues lists queues in words: "queues 1-3, 7".
func queues(list []uint16) string {
	if len(list) == 1 {
		return "queue " + join(list)
	}
	return "queues " + join(list)
}

// errNoNFTables is the error of reading the rules of a kernel without nftables.
var errNoNFTables = errors.New("this kernel has no nftables")
