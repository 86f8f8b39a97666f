package main

import (
	"fmt"
	"slices"
	"strings"
)

// common contains features that every run has, so that tests which need one must not
// be skipped. Other machines may lack them.
var common = []string{
	"/dev/full",
	"NETLINK_USERSOCK",
	"Multipath TCP",
	"TCP Fast Open",
	"UDP GSO",
	"a list of descriptors",
	"a little-endian machine",
	"br_netfilter",
	"conntrack in packet queues",
	"each form of queue rules",
	"iptables",
	"nft_queue",
	"packet queues",
	"packet queues in family bridge",
	"seccomp for all threads",
	"security labels",
	"symbolic links",
	"terminals",
	"the source",
	"tunnels of type geneve",
	"tunnels of type gre",
	"tunnels of type gretap",
	"tunnels of type ipip",
	"tunnels of type sit",
	"tunnels of type vxlan",
	"untracked packets",
	"user namespaces",
	"vector instructions",
}

// features contains features that only some runs have.
var features = map[string]func(*run) bool{
	"namespaces":                           func(r *run) bool { return r.user != "confined" },
	"limits in every network namespace":    since(6, 9),
	"packet priority":                      since(5, 18),
	"replaced packets in a user namespace": func(r *run) bool { return r.user == "root" || r.before(7, 2) },
	"replaced packets in family bridge":    before(7, 2),
	"a slower writer":                      nowhere, // by chance
	"ip_queue":                             nowhere, // Linux 3.5 removed it, and Debian has no kernel that old
	"no conntrack in packet queues":        nowhere,
	"the schemas of Kubernetes":            nowhere, // to be downloaded
}

// programs contains programs that the virtual machines have, in addition to those of
// every system.
var programs = []string{
	"iptables", "iptables-nft", "iptables-legacy", "ip6tables", "ip6tables-nft", "ip6tables-legacy",
	"iptables-restore", "nft", "conntrack", "ip", "tc", "ss",
}

// has returns a function that reports which runs have a feature, if it is known.
func has(feature string) (where func(*run) bool, known bool) {
	if program, ok := strings.CutPrefix(feature, "program "); ok {
		if slices.Contains(programs, program) {
			return everywhere, true
		}
		return nowhere, true
	}
	if slices.Contains(common, feature) {
		return everywhere, true
	}
	where, known = features[feature]
	return where, known
}

func everywhere(*run) bool { return true }
func nowhere(*run) bool    { return false }

func before(major, minor int) func(*run) bool {
	return func(r *run) bool { return r.before(major, minor) }
}

func since(major, minor int) func(*run) bool {
	return func(r *run) bool { return !r.before(major, minor) }
}

// before reports whether the kernel is older than Linux major.minor.
func (r *run) before(major, minor int) bool {
	var x, y int
	if _, err := fmt.Sscanf(r.release, "%d.%d", &x, &y); err != nil {
		return false
	}
	return x < major || x == major && y < minor
}

// unfounded returns why a test that needs the feature should not have been skipped, or
// "".
func (r *run) unfounded(feature string) string {
	where, known := has(feature)
	switch {
	case feature == "":
		return "was skipped without the name of a feature that it needs (testutil.Lacks)"
	case !known:
		return fmt.Sprintf("was skipped for a feature that .ci/matrix does not know, %q", feature)
	case where(r):
		return fmt.Sprintf("was skipped for a feature that must be there, %q", feature)
	}
	return ""
}

// possible reports whether each of the features occurs in some run.
func possible(needed []string, runs []*run) bool {
	for _, feature := range needed {
		if where, known := has(feature); known && !slices.ContainsFunc(runs, where) {
			return false
		}
	}
	return true
}
