package diagnose

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/queue"
	"github.com/ipqueue/ipqueue/wire"
)

const (
	moduleNFQueue = "nfnetlink_queue"
	aliasNFQueue  = "nfnetlink-subsys-3" // the alias by which nfnetlink requests the module
)

// nfqueue examines nfnetlink_queue.
func (x *examination) nfqueue() {
	x.handlers("nf_queue")
	s, err := x.host.Open(x.socket)
	if err != nil {
		x.noSocket(err)
		return
	}
	defer s.Close()
	i := newInquiry(s)
	privileged := x.privilege(i)
	seen := x.boundQueues(s)
	x.rules(seen)
	x.losses(func() []BoundQueue { list, _ := x.readQueues(s); return list })
	x.abilities(i, privileged)
	x.replacements(s)
	x.gso()
	x.buffer(s)
}

// noSocket reports that no netlink socket could be opened. The kernel has already
// tried to load the module for it.
func (x *examination) noSocket(err error) {
	f := x.say(Fault, AboutModule, "No netlink socket can be opened")
	f.Err = err
	if !errors.Is(err, eprotonosupport) {
		return
	}
	f.Advice = "use a kernel with CONFIG_NETFILTER_NETLINK_QUEUE"
	switch m := x.loading(moduleNFQueue, aliasNFQueue); {
	case m.obstacle != "":
		f.Text += ", and no module can be loaded because " + m.obstacle
		f.Advice = m.advice
	case m.listed || m.err != nil:
		f.Advice = "modprobe " + moduleNFQueue
	}
}

// handlers checks which kind of queue receives the packets of the family, on
// kernels that have more than one kind.
func (x *examination) handlers(want string) {
	text, err := x.host.ReadFile("/proc/net/netfilter/nf_queue")
	if err != nil {
		return // Linux 3.8 and later have no such file
	}
	handlers, err := wire.ParseNFQueueHandlers(text)
	if err != nil {
		x.unseen(AboutModule, err, "Cannot determine which queue receives %v packets", x.c.Family)
		return
	}
	number := uint8(2) // NFPROTO_IPV4
	if x.c.Family == queue.IPv6 {
		number = 10 // NFPROTO_IPV6
	}
	if got := handlers[number]; got != "" && got != want {
		module := got
		if got == "nf_queue" { // the name under which nfnetlink_queue registers
			module = moduleNFQueue
		}
		x.say(Fault, AboutModule, "%v packets go to %s, not to %s", x.c.Family, module, strings.Replace(want, "nf_queue", moduleNFQueue, 1)).
			Advice = fmt.Sprintf("use the former, or unload its module (rmmod %s)", module)
	}
}

// privilege reports whether the kernel accepts requests from this process.
func (x *examination) privilege(i *inquiry) bool {
	err := i.noop(x.ctx)
	held, known := x.effective(capNetAdmin)
	switch {
	case err != nil && !errors.Is(err, eperm):
		x.unseen(AboutPrivilege, err, "Cannot determine whether this process has CAP_NET_ADMIN")
	case err != nil && held:
		x.say(Fault, AboutPrivilege, "This process has CAP_NET_ADMIN, but not in the user namespace that owns the network namespace").
			Advice = "run in that user namespace, or in a network namespace that its own user namespace owns"
	case err != nil || known && !held && !x.release.atLeast(release{3, 13}):
		x.withoutPrivilege()
	default:
		x.say(Good, AboutPrivilege, "This process has CAP_NET_ADMIN for the network namespace")
		return true
	}
	return false
}

func (x *examination) withoutPrivilege() {
	x.say(Fault, AboutPrivilege, "This process lacks CAP_NET_ADMIN: the kernel refuses Open and every verdict").
		Advice = "run as root, or setcap cap_net_admin+ep PROGRAM"
}

// module reports whether nfnetlink_queue is loaded, or whether Open can load it.
// err is the error of reading its status file.
func (x *examination) module(err error) {
	if !errors.Is(err, fs.ErrNotExist) {
		x.say(Good, AboutModule, "Module %s is available", moduleNFQueue)
		return
	}
	switch m := x.loading(moduleNFQueue, aliasNFQueue); {
	case m.obstacle != "":
		x.say(Fault, AboutModule, "Module %s is not loaded, and Open cannot load it: %s", moduleNFQueue, m.obstacle).
			Advice = m.advice
	case m.listed:
		x.say(Note, AboutModule, "Module %s is not loaded yet; Open will load it", moduleNFQueue)
	case m.err != nil:
		f := x.unseen(AboutModule, m.err, "Module %s is not loaded, and it is unknown whether it is installed", moduleNFQueue)
		f.Severity, f.Advice = Warning, "modprobe "+moduleNFQueue
	default:
		x.say(Fault, AboutModule, "This kernel has no module %s", moduleNFQueue).
			Advice = "install the kernel's modules, or a kernel with CONFIG_NETFILTER_NETLINK_QUEUE"
	}
}

// boundQueues reads which queues are bound. It returns false if it cannot.
func (x *examination) boundQueues(s sock.Socket) (seen bool) {
	list, err := x.readQueues(s)
	if x.hidden(err) {
		x.unseen(AboutQueue, err, "Cannot read which queues are bound").Advice = showProc
		return false
	}
	x.module(err)
	if errors.Is(err, fs.ErrNotExist) {
		return true // without the module there are no queues
	}
	if err != nil {
		x.unseen(AboutQueue, err, "Cannot read which queues are bound").Advice = "run as root to see them"
		return false
	}
	for _, q := range list {
		x.bound(q)
	}
	if x.queue(x.c.Number) == nil {
		x.say(Note, AboutQueue, "No program has bound queue %d", x.c.Number)
	}
	return true
}

// readQueues reads the status file.
func (x *examination) readQueues(s sock.Socket) ([]BoundQueue, error) {
	text, err := readAllStatus(s)
	if err != nil {
		return nil, err
	}
	rows, err := wire.ParseNFQStatusRows(text)
	if err != nil {
		return nil, err
	}
	var list []BoundQueue
	for _, row := range rows {
		list = append(list, x.owned(sock.ProtoNetfilter, BoundQueue{
			Backend: queue.NFQueue, Number: row.Queue, Port: row.Port,
			Mode: modeOf(row.CopyMode, row.CopyRange),
			Kernel: queue.KernelStats{
				Pending: row.Pending, QueueDropped: row.QueueDropped,
				SocketDropped: row.UserDropped, LastID: row.LastID,
			},
		}))
	}
	return list, nil
}

// readAllStatus reads a status file of any length.
func readAllStatus(s sock.Socket) ([]byte, error) {
	const most = 16 << 20
	for size := 32 << 10; ; size *= 2 {
		b := make([]byte, size)
		n, err := s.Status(b, 0)
		if err != nil || n < size || size >= most {
			return b[:n], err
		}
	}
}

// owned adds to q the process that has bound the queue.
func (x *examination) owned(protocol int, q BoundQueue) BoundQueue {
	o := sock.OwnerOf(x.host, x.c.NetNS, protocol, q.Port)
	q.Process, q.Name = o.Process, o.Name
	return q
}

// owner returns the name of the process that has bound the queue.
func (q BoundQueue) owner() string {
	return sock.Owner{Port: q.Port, Process: q.Process, Name: q.Name}.String()
}

// modeOf returns the queue.Mode for the kernel's copy mode and range.
func modeOf(m wire.CopyMode, n uint32) queue.Mode {
	switch {
	case m == wire.CopyNone:
		return queue.DropAll
	case m == wire.CopyMeta:
		return queue.MetaOnly
	case n == 0 || n >= wire.NFQMaxPayload:
		return queue.WholePacket
	}
	return queue.Range(int(n))
}

// queue returns the queue with that number, or nil if no program has bound it.
func (x *examination) queue(number uint16) *BoundQueue {
	for i := range x.Queues {
		if x.Queues[i].Number == number {
			return &x.Queues[i]
		}
	}
	return nil
}

// bound adds a queue that a program has bound.
func (x *examination) bound(q BoundQueue) {
	x.Queues = append(x.Queues, q)
	switch {
	case x.stopped(q.Process):
		x.say(x.unlessOwn(q, Fault), AboutQueue, "%v belongs to %s, which is stopped, by SIGSTOP or by a debugger", q, q.owner()).
			Advice = fmt.Sprintf("continue it (kill -CONT %d), or end it", q.Process)
	case q.Mode == queue.DropAll:
		x.say(x.unlessOwn(q, Fault), AboutQueue, "%v belongs to %s, in mode %v: the kernel drops its packets", q, q.owner(), q.Mode).
			Advice = "make that program set another mode, or stop it"
	default:
		x.say(x.unlessOwn(q, Good), AboutQueue, "%v belongs to %s, in mode %v", q, q.owner(), q.Mode)
	}
}

// unlessOwn returns the severity of a finding about q: s if q is the queue under
// examination, and a lower one otherwise.
func (x *examination) unlessOwn(q BoundQueue, s Severity) Severity {
	switch {
	case q.Backend == queue.IPQueue || q.Number == x.c.Number:
		return s
	case s == Good:
		return Note
	}
	return min(s, Warning)
}

// gso reports whether the kernel splits large packets.
func (x *examination) gso() {
	switch {
	case x.c.NoGSO:
		x.say(Note, AboutGSO, "With Config.NoGSO the kernel splits large packets, which makes bulk TCP several times slower")
	case x.release.before(release{3, 10}):
		x.say(Note, AboutGSO, "Linux before 3.10 splits large packets before it queues them, which is slow for bulk TCP")
	default:
		x.say(Good, AboutGSO, "Large packets (GSO) arrive unsplit, up to 65531 bytes")
	}
}

// packetRoom is the number of bytes that the default of Config.ReadBuffer allows
// for each packet.
const packetRoom = 2048

// buffer compares the receive buffer of the examination's own socket with the one
// that Open will request. The kernel reports twice the granted size, because it
// counts its own overhead.
func (x *examination) buffer(s sock.Socket) {
	wanted, granted := x.socket.ReadBuffer, s.ReadBuffer()/2
	if granted >= wanted {
		x.say(Good, AboutBuffer, "The kernel grants a receive buffer of %d bytes", wanted)
		return
	}
	x.say(Warning, AboutBuffer, "The kernel grants a receive buffer of only %d bytes instead of %d, enough for about %d packets of %d bytes",
		granted, wanted, granted/packetRoom, packetRoom).
		Advice = fmt.Sprintf("set net.core.rmem_max to %d as root, or run with CAP_NET_ADMIN in the initial user namespace", wanted)
}
