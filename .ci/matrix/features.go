package main

import (
	"fmt"
	"slices"
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
	"nft":                                  everywhere,
	"nft_queue":                            everywhere,
	"terminals":                            everywhere,
	"symbolic links":                       everywhere,
	"untracked packets":                    everywhere,
	"iptables-nft":                         everywhere,
	"ip6tables-nft":                        everywhere,
	"iptables-legacy":                      everywhere,
	"ip6tables-legacy":                     everywhere,
	"ip6tables":                            everywhere,
	"a slower writer":                      nowhere, // by chance
	"/dev/full":                            everywhere,
	"each form of queue rules":             everywhere,
	"limits in every network namespace":    since(6, 9),
	"packet priority":                      since(5, 18),
	"replaced packets in a user namespace": func(r *run) bool { return r.user == "root" || r.before(7, 2) },
	"replaced packets in family bridge":    before(7, 2),
	"a user namespace":                     ordinary,
	"tshark":                               nowhere,
	"ip_queue":                             nowhere, // Linux 3.5 removed it, and Debian has no kernel that old
	"no conntrack in packet queues":        nowhere,
}

func everywhere(*run) bool { return true }
func nowhere(*run) bool    { return false }

// ordinary is where the tests have a user namespace of their own.
func ordinary(r *run) bool { return r.user == "nobody" }

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
	has, known := features[feature]
	switch {
	case feature == "":
		return "was skipped without the name of a feature that it needs (testutil.Lacks)"
	case !known:
		return fmt.Sprintf("was skipped for a feature that .ci/matrix does not know, %q", feature)
	case has(r):
		return fmt.Sprintf("was skipped for a feature that must be there, %q", feature)
	}
	return ""
}

// possible reports whether there is a run for each of the features.
func possible(needed []string, runs []*run) bool {
	for _, feature := range needed {
		if has := features[feature]; has != nil && !slices.ContainsFunc(runs, has) {
			return false
		}
	}
	return true
}
