package diagnose

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/queue"
	"github.com/ipqueue/ipqueue/wire"
)

// ipqueue examines ip_queue or ip6_queue. It only reads files: the kernel would
// make the first process that sends a message the owner of the queue.
func (x *examination) ipqueue() {
	module, save := x.socket.StatusFile, "iptables-save"
	if x.c.Family == queue.IPv6 {
		save = "ip6tables-save"
	}
	x.handlers(module)
	switch held, known := x.effective(capNetAdmin); {
	case !known:
		x.say(Unseen, AboutPrivilege, "Cannot determine whether this process has CAP_NET_ADMIN")
	case !held:
		x.withoutPrivilege()
	default:
		x.say(Good, AboutPrivilege, "This process has CAP_NET_ADMIN")
	}
	x.ipqueueStatus(module)
	x.say(Unseen, AboutRules, "Cannot read rules with the target QUEUE").
		Advice = fmt.Sprintf("look for QUEUE in the output of %s", save)
}

// ipqueueAlias returns the alias by which the kernel requests the module of a
// netlink protocol (net/netlink/af_netlink.c, netlink_create).
func ipqueueAlias(protocol int) string { return fmt.Sprintf("net-pf-16-proto-%d", protocol) }

// readStatus reads a status file in the network namespace that Config names.
func (x *examination) readStatus(c sock.Config) ([]byte, error) {
	if c.NetNS == 0 {
		return x.host.ReadFile("/proc/net/" + c.StatusFile)
	}
	// A socket in the other namespace is the way to its status file.
	s, err := x.host.Open(sock.Config{Protocol: sock.ProtoNetfilter, NetNS: c.NetNS, StatusFile: c.StatusFile})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return readAllStatus(s)
}

// ipqueueStatus reads the status file.
func (x *examination) ipqueueStatus(module string) {
	text, err := x.readStatus(x.socket)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		x.ipqueueMissing(module)
		return
	case err != nil:
		x.unseen(AboutModule, err, "Cannot read the state of module %s", module)
		return
	}
	x.say(Good, AboutModule, "Module %s is loaded", module)
	q, err := x.ipqueueBound(text)
	switch {
	case err != nil:
		x.unseen(AboutQueue, err, "Cannot parse the state of %s", module)
		return
	case q.Port == 0:
		x.say(Note, AboutQueue, "No program has opened %s; the kernel drops its packets", module)
	case sock.OwnerOf(x.host, x.c.NetNS, x.socket.Protocol, q.Port).Nobody:
		x.say(Fault, AboutQueue, "%v belongs to netlink port %d, whose socket no longer exists: no other program can open it", q, q.Port).
			Advice = fmt.Sprintf("unload the module and load it again (rmmod %s; modprobe %[1]s)", module)
		x.Queues = append(x.Queues, q)
	default:
		x.bound(q)
	}
	if q.Port == 0 {
		return
	}
	x.losses(func() []BoundQueue {
		text, _ := x.readStatus(x.socket)
		q, _ := x.ipqueueBound(text)
		return []BoundQueue{q}
	})
}

// ipqueueBound parses the status file.
func (x *examination) ipqueueBound(text []byte) (BoundQueue, error) {
	s, err := wire.ParseIPQStatus(text)
	q := BoundQueue{
		Backend: queue.IPQueue, Family: x.c.Family, Port: s.Port,
		Mode:   modeOf(s.CopyMode, s.CopyRange),
		Kernel: queue.KernelStats{Pending: s.Pending, QueueDropped: s.QueueDropped, SocketDropped: s.UserDropped},
	}
	if q.Port != 0 {
		q = x.owned(x.socket.Protocol, q)
	}
	return q, err
}

// ipqueueMissing reports why there is no status file.
func (x *examination) ipqueueMissing(module string) {
	m := x.loading(module, ipqueueAlias(x.socket.Protocol))
	switch {
	case x.release.atLeast(release{3, 5}):
		x.say(Fault, AboutModule, "Module %s is not loaded", module).
			Advice = "Linux 3.5 and later do not have it: use nfnetlink_queue (Backend NFQueue, target NFQUEUE)"
	case x.loadedModules()[module]:
		x.say(Fault, AboutModule, "Module %s is loaded, but works only in the initial network namespace, and this is another one", module).
			Advice = "run in the initial network namespace, or use nfnetlink_queue"
	case m.obstacle != "":
		x.say(Fault, AboutModule, "Module %s is not loaded, and Open cannot load it: %s", module, m.obstacle).Advice = m.advice
	case m.listed:
		x.say(Note, AboutModule, "Module %s is not loaded yet; Open will load it", module)
	default:
		x.say(Fault, AboutModule, "Module %s is not loaded", module).Advice = "modprobe " + module
	}
}
