package main

import (
	"fmt"
	"slices"
	"strings"
)

// features are the names that skipped tests give, and where the feature is
// there: a test that needs it must not be skipped in such a run.
var features = map[string]func(*run) bool{
	"namespaces":                           func(r *run) bool { return r.user != "confined" },
	"packet queues":                        everywhere,
	"conntrack in packet queues":           everywhere,
	"packet queues in family bridge":       everywhere,
	"br_netfilter":                         everywhere,
	"iptables":                             everywhere,
	"security labels":                      everywhere,
	"vector instructions":                  everywhere,
	"the source":                           everywhere,
	"a little-endian machine":              everywhere,
	"a list of descriptors":                everywhere,
	"NETLINK_USERSOCK":                     everywhere,
	"nft_queue":                            everywhere,
	"terminals":                            everywhere,
	"symbolic links":                       everywhere,
	"untracked packets":                    everywhere,
	"UDP GSO":                              everywhere,
	"TCP Fast Open":                        everywhere,
	"Multipath TCP":                        everywhere,
	"seccomp for all threads":              everywhere,
	"tunnels of type vxlan":                everywhere,
	"tunnels of type gre":                  everywhere,
	"tunnels of type ip6gre":               everywhere,
	"a slower writer":                      nowhere, // by chance
	"/dev/full":                            everywhere,
	"each form of queue rules":             everywhere,
	"limits in every network namespace":    since(6, 9),
	"packet priority":                      since(5, 18),
	"replaced packets in a user namespace": func(r *run) bool { return r.user == "root" || r.before(7, 2) },
	"replaced packets in family bridge":    before(7, 2),
	"user namespaces":                      everywhere,
	"ip_queue":                             nowhere, // Linux 3.5 removed it, and Debian has no kernel that old
	"no conntrack in packet queues":        nowhere,
}

// programs are there in the virtual machines, beside those of every system.
var programs = []string{
	"iptables", "iptables-nft", "iptables-legacy", "ip6tables", "ip6tables-nft", "ip6tables-legacy",
	"nft", "conntrack", "ip", "tc", "ss",
}

// has returns where a feature is there, if it is known.
func has(feature string) (where func(*run) bool, known bool) {
	if program, ok := strings.CutPrefix(feature, "program "); ok {
		if slices.Contains(programs, program) {
			return everywhere, true
		}
		return nowhere, true
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

// unfounded returns why the skip of a test that needs the feature is wrong, or
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

// possible reports whether there is a run for each of the features.
func possible(needed []string, runs []*run) bool {
	for _, feature := range needed {
		if where, known := has(feature); known && !slices.ContainsFunc(runs, where) {
			return false
		}
	}
	return true
}
