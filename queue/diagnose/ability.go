package diagnose

import (
	"strings"

	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/queue"
	"github.com/ipqueue/ipqueue/wire"
)

// A feature is one that nfnetlink_queue did not have from the beginning.
type feature struct {
	name  string
	since release
	needs string                   // what it needs besides the release
	flag  wire.ConfigFlags         // the flag by which Open requests it, 0 for none
	field func(*queue.Config) bool // reports whether Config requests it, nil if no field does
}

func conntrack(c *queue.Config) bool { return c.Conntrack }

var features = []feature{
	{"FailOpen", release{3, 6}, "", wire.ConfigFailOpen, func(c *queue.Config) bool { return c.FailOpen }},
	{"Conntrack", release{3, 6}, " with nf_conntrack_netlink (CONFIG_NETFILTER_NETLINK_GLUE_CT)", wire.ConfigConntrack, conntrack},
	{"GSO packets", release{3, 10}, "", wire.ConfigGSO, nil},
	{"Owner", release{3, 14}, "", wire.ConfigUIDGID, func(c *queue.Config) bool { return c.Owner }},
	{"SecurityContext", release{4, 3}, " with CONFIG_NETWORK_SECMARK", wire.ConfigSecCtx, func(c *queue.Config) bool { return c.SecurityContext }},
	{"Packet.Priority", release{5, 18}, "", 0, nil},
	{"Packet.ClassID", release{6, 4}, "", 0, nil},
}

// firstFlags is the first release that refuses unknown flags. Earlier releases
// ignore them.
var firstFlags = release{3, 6}

// abilities asks the kernel which features its nfnetlink_queue supports, and
// compares them with Config. It asks about Conntrack only if Config requests it,
// because the kernel loads modules for that.
func (x *examination) abilities(i *inquiry, privileged bool) {
	var can []string
	for _, f := range features {
		wanted := f.field != nil && f.field(&x.c)
		ask := f.flag != 0 && privileged && !x.release.before(firstFlags)
		switch {
		case f.flag == wire.ConfigConntrack && !wanted:
		case ask:
			if x.asked(i, f, wanted) {
				can = append(can, f.name)
			}
		case x.release.before(f.since):
			if wanted {
				x.say(Fault, AboutConfig, "Config.%s needs %v%s", f.name, f.since, f.needs)
			}
		case wanted:
			x.say(Unseen, AboutConfig, "Cannot determine without CAP_NET_ADMIN whether the kernel supports Config.%s", f.name)
		case f.flag == 0 && x.release.atLeast(f.since):
			can = append(can, f.name)
		}
	}
	if len(can) > 0 {
		x.say(Good, AboutKernel, "Its nfnetlink_queue supports %s", strings.Join(can, ", "))
	}
}

// replacements looks whether the kernel drops the packets that a verdict
// replaces. Packet.Replace returns an error instead.
func (x *examination) replacements(s sock.Socket) {
	if sock.DropsReplaced(x.host, s) {
		x.say(Note, AboutKernel, "This kernel lets no packet be replaced in a network namespace that the initial user namespace does not own").
			Advice = "if the program replaces packets, make the network namespace as root, not in a user namespace (rootless container, unshare --user)"
	}
}

// asked asks the kernel about a feature, and reports whether it supports it.
func (x *examination) asked(i *inquiry, f feature, wanted bool) bool {
	honoured, err := i.flag(x.ctx, x.unbound(), f.flag)
	switch {
	case !wanted:
	case err != nil:
		x.unseen(AboutConfig, err, "Cannot determine whether the kernel supports Config.%s", f.name)
	case honoured:
		x.say(Good, AboutConfig, "The kernel supports Config.%s", f.name)
	default:
		x.say(Fault, AboutConfig, "This kernel does not support Config.%s, which needs %v%s", f.name, f.since, f.needs)
	}
	return honoured
}

// unbound returns the number of a queue that no program has bound.
func (x *examination) unbound() uint16 {
	n := uint16(65535)
	for x.queue(n) != nil {
		n--
	}
	return n
}
