package diagnose

import (
	"strings"

	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/queue"
	"github.com/ipqueue/ipqueue/wire"
)

// A feature is something that came after nfnetlink_queue itself.
type feature struct {
	name  string
	since release
	needs string                   // beside the release
	flag  wire.ConfigFlags         // by which Open asks for it, 0 if no flag is needed
	field func(*queue.Config) bool // Config asks for it, nil if no field does
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

// firstFlags is the release that can refuse flags. Earlier ones pass over them.
var firstFlags = release{3, 6}

// abilities asks the kernel what its nfnetlink_queue can do, and compares it with
// what Config asks for. It asks for Conntrack only if Config does, because the
// kernel loads modules for that.
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
			x.say(Unseen, AboutConfig, "Whether the kernel can honour Config.%s cannot be seen without CAP_NET_ADMIN", f.name)
		case f.flag == 0 && x.release.atLeast(f.since):
			can = append(can, f.name)
		}
	}
	if len(can) > 0 {
		x.say(Good, AboutKernel, "Its nfnetlink_queue knows %s", strings.Join(can, ", "))
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

// asked asks the kernel for a feature, and reports whether it has it.
func (x *examination) asked(i *inquiry, f feature, wanted bool) bool {
	honoured, err := i.flag(x.ctx, x.unbound(), f.flag)
	switch {
	case !wanted:
	case err != nil:
		x.unseen(AboutConfig, err, "Whether the kernel can honour Config.%s cannot be seen", f.name)
	case honoured:
		x.say(Good, AboutConfig, "The kernel can honour Config.%s", f.name)
	default:
		x.say(Fault, AboutConfig, "This kernel cannot honour Config.%s, which needs %v%s", f.name, f.since, f.needs)
	}
	return honoured
}

// unbound returns the number of a queue that nobody has bound.
func (x *examination) unbound() uint16 {
	n := uint16(65535)
	for x.queue(n) != nil {
		n--
	}
	return n
}
