package testutil

import (
	"sync/atomic"
	"testing"
)

// A Feature is a property of the system that tests need and that not every system
// has. .ci/matrix runs the tests on many kernels. It knows which kernel has which
// feature, and fails if a test is skipped on a kernel that has it.
type Feature string

// The features that tests need.
const (
	// Namespaces are network namespaces that the test's user may make.
	Namespaces Feature = "namespaces"
	// UserNamespaces are those that the test's user may make.
	UserNamespaces Feature = "user namespaces"
	// PacketQueues are nfnetlink_queue and rules that feed it.
	PacketQueues Feature = "packet queues"
	// ConntrackQueues is CONFIG_NETFILTER_NETLINK_GLUE_CT.
	ConntrackQueues Feature = "conntrack in packet queues"
	// BridgeQueues are rules of family bridge that feed a queue: nft_queue.
	BridgeQueues Feature = "packet queues in family bridge"
	// BridgeNetfilter shows packets that cross a bridge to the rules for IPv4.
	BridgeNetfilter Feature = "br_netfilter"
	// PacketPriority is NFQA_PRIORITY (Linux 5.18).
	PacketPriority Feature = "packet priority"
	// Replacements of packets in the test's own namespaces: Linux 7.2 and later
	// have them only without a user namespace.
	Replacements Feature = "replaced packets in a user namespace"
	// BridgeReplacements are those of family bridge, to Linux 7.1.
	BridgeReplacements Feature = "replaced packets in family bridge"
	// SecurityLabels is CONFIG_NETWORK_SECMARK.
	SecurityLabels Feature = "security labels"
	// IPQueue is ip_queue (Linux 2.4 to 3.4), for root.
	IPQueue Feature = "ip_queue"
	// IPTables are iptables and ip6tables, and what they need of the kernel.
	IPTables Feature = "iptables"
	// NFTQueue is the kernel's part of nft's rules to queues.
	NFTQueue Feature = "nft_queue"
	// Terminals are pseudo-terminals.
	Terminals Feature = "terminals"
)

// Program is an executable file on the PATH.
func Program(name string) Feature { return Feature("program " + name) }

// outside counts the tests that were skipped for lack of a namespace.
var outside atomic.Int64

// Lacks skips the test because the system lacks the feature. why is the evidence: an
// error or a text.
func Lacks(t testing.TB, f Feature, why any) {
	t.Helper()
	if f == Namespaces {
		outside.Add(1)
	}
	t.Skipf("needs %s: %v", f, why)
}
