package diagnose

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A Rule is an nftables rule that sends packets to a queue. This includes rules
// that iptables creates in nftables (iptables-nft).
type Rule struct {
	Family string // nft's name: "inet", "ip", "ip6", "bridge", ...
	Table  string
	Chain  string
	Handle uint64 // identifies the rule in nft's commands

	// Numbers contains the queues among which the rule chooses, in ascending
	// order. It is nil if Run does not know how the rule computes the number.
	Numbers []uint16
	// By is how the rule chooses a queue. It is "" for a single queue, or for
	// a hash of both addresses; "fanout" for the number of the processor; or
	// the expression that computes the number: "numgen", "symhash", "jhash" or
	// "map".
	By string
	// Bypass lets packets pass while no program has bound their queue. Without
	// it the kernel drops them.
	Bypass bool
	// Idle is the reason why no packet reaches the rule, or empty.
	Idle Idle

	// Counted reports whether the rule has a counter, and Packets is the
	// number of packets that it has counted.
	Counted bool
	Packets uint64
}

// An Idle is a reason why no packet reaches a rule.
type Idle string

// The reasons why no packet reaches a rule.
const (
	DormantTable     Idle = "its table is dormant"
	UnreachableChain Idle = "no base chain leads to its chain"
)

// String returns the place of the rule and its action, for example
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

// feeds reports whether the rule may send packets to a queue.
func (r Rule) feeds(number uint16) bool {
	return r.Idle == "" && (r.Numbers == nil || slices.Contains(r.Numbers, number))
}

// through returns n numbers, starting at first.
func through(first uint16, n int) []uint16 {
	n = min(n, 1<<16-int(first))
	list := make([]uint16, n)
	for i := range list {
		list[i] = first + uint16(i)
	}
	return list
}

// join returns a list of ascending numbers, for example "1-3, 7".
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

// queues returns a list of queues, for example "queues 1-3, 7".
func queues(list []uint16) string {
	if len(list) == 1 {
		return "queue " + join(list)
	}
	return "queues " + join(list)
}

// errNoNFTables is the error for reading rules on a kernel without nftables.
var errNoNFTables = errors.New("this kernel has no nftables")
