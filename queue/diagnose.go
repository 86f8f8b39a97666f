package queue

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/wire"
)

// Diagnose looks at everything that must be right for packets to flow through
// the queue that Open would open with c, and says what is wrong and what to do
// about it. It binds no queue and changes nothing, so that it may be called
// while any program, also this one, serves its queues. Like reading the rules
// with nft, it may make the kernel load a module (nf_tables, and
// what Config.Conntrack needs).
//
// It needs no privilege, but sees more with CAP_NET_ADMIN: what it could not
// see it says in findings of severity Unseen. The end of ctx ends it early, and
// shows in such findings too. Rules of legacy iptables cannot be read, which it
// says where there are any; nor does it know which packets reach a rule.
func Diagnose(ctx context.Context, c Config) Diagnosis {
	x := examination{ctx: ctx, host: sock.KernelFrom(ctx)}
	x.kernel()
	var err error
	if x.cfg, err = c.complete(); err != nil {
		x.refused(err)
		return x.Diagnosis
	}
	if x.backend() == IPQueue {
		x.ipqueue()
	} else {
		x.nfqueue()
	}
	return x.Diagnosis
}

// An examination is a diagnosis under way.
type examination struct {
	Diagnosis
	ctx       context.Context
	host      sock.Kernel
	cfg       Config // complete
	osrelease string // in full
	release   release
}

// say adds a finding.
func (x *examination) say(s Severity, about Subject, format string, args ...any) *Finding {
	x.Findings = append(x.Findings, Finding{Severity: s, Subject: about, Text: fmt.Sprintf(format, args...)})
	return &x.Findings[len(x.Findings)-1]
}

// unseen adds a finding about what could not be looked at.
func (x *examination) unseen(about Subject, err error, format string, args ...any) *Finding {
	f := x.say(Unseen, about, format, args...)
	f.Err = err
	return f
}

// refused adds a finding about what Open will refuse in the Config.
func (x *examination) refused(err error) {
	x.say(Fault, AboutConfig, "Open will refuse the Config").Err = err
}

// backend is the kernel queue that Open would take.
func (x *examination) backend() Backend {
	if b := x.cfg.choose(x.host); b != Auto {
		return b
	}
	if _, err := x.host.ReadFile(statusFile(newIPQueue(&x.cfg).name())); err == nil {
		return IPQueue
	}
	return NFQueue
}

func statusFile(name string) string { return "/proc/net/" + name }

// nfqueue examines nfnetlink_queue.
func (x *examination) nfqueue() {
	if err := refuse("nfnetlink_queue", x.cfg.ipqueueOnly()); err != nil {
		x.refused(err)
		return
	}
	x.abilities()
	x.handlers("nf_queue")
	n := newNFQueue(&x.cfg)
	s, err := x.host.Open(n.socket(&x.cfg))
	if err != nil {
		x.say(Fault, AboutModule, "No netlink socket can be opened").Err = n.explain(&Queue{host: x.host}, err)
		return
	}
	defer s.Close()
	i := newInquiry(s)
	x.privilege(i)
	seen := x.boundQueues(s)
	x.rules(i, seen)
	for _, q := range x.Queues {
		x.loss(q)
	}
	x.flags(i)
	x.gso()
	x.buffer(s)
}

// handlers looks, on the kernels that had more than one queue, which of them
// takes the packets of the family.
func (x *examination) handlers(want string) {
	text, err := x.host.ReadFile("/proc/net/netfilter/nf_queue")
	if err != nil {
		return // Linux 3.5 and later have one queue
	}
	handlers, err := wire.ParseNFQueueHandlers(text)
	if err != nil {
		x.unseen(AboutModule, err, "Which queue takes %v packets cannot be seen", x.cfg.Family)
		return
	}
	if got := handlers[x.cfg.Family.number()]; got != "" && got != want {
		x.say(Fault, AboutModule, "%v packets go to %s, not to %s", x.cfg.Family, got, want).
			Advice = fmt.Sprintf("use that one, or unload its module (rmmod %s)", got)
	}
}

// privilege tells whether the kernel takes requests from this process.
// nfnetlink checks CAP_NET_ADMIN before it looks at the message, of which NOOP is
// one that does nothing (net/netfilter/nfnetlink.c, nfnetlink_rcv, since Linux
// 3.13).
func (x *examination) privilege(i *inquiry) {
	err := i.refusal(x.ctx, wire.NLMsgNoop)
	held, known := x.effective(capNetAdmin)
	switch {
	case err != nil && !errors.Is(err, eperm):
		x.unseen(AboutPrivilege, err, "Whether CAP_NET_ADMIN is held cannot be seen")
	case err != nil && held:
		x.say(Fault, AboutPrivilege, "CAP_NET_ADMIN is held, but not in the user namespace that owns the network namespace").
			Advice = "run in that user namespace, or in a network namespace of this one"
	case err != nil || known && !held && !x.release.atLeast(release{3, 13}):
		x.withoutPrivilege()
	default:
		x.say(Good, AboutPrivilege, "CAP_NET_ADMIN is held where it is needed")
	}
}

func (x *examination) withoutPrivilege() {
	x.say(Fault, AboutPrivilege, "CAP_NET_ADMIN is not held, without which Open and every verdict are refused").
		Advice = "run as root, or setcap cap_net_admin+ep the program"
}

// module tells whether nfnetlink_queue is there, by what came of opening its
// status file.
func (x *examination) module(err error) {
	const module = "nfnetlink_queue"
	if !errors.Is(err, fs.ErrNotExist) {
		x.say(Good, AboutModule, "Module %s is there", module)
		return
	}
	known, err := x.installed(module)
	switch {
	case err != nil:
		f := x.unseen(AboutModule, err, "Module %s is not loaded, and whether it is installed cannot be seen", module)
		f.Severity, f.Advice = Warning, "modprobe "+module
	case known:
		x.say(Note, AboutModule, "Module %s is not loaded yet, which Open will do", module)
	default:
		x.say(Fault, AboutModule, "This kernel has no module %s", module).
			Advice = "install the kernel's modules, or a kernel with CONFIG_NETFILTER_NETLINK_QUEUE"
	}
}

// rowsSize has room for the rows of about 4000 queues.
const rowsSize = 256 << 10

// boundQueues reads the status file, and reports whether it could.
func (x *examination) boundQueues(s sock.Socket) (seen bool) {
	buf := make([]byte, rowsSize)
	n, err := s.Status(buf, 0)
	x.module(err)
	if errors.Is(err, fs.ErrNotExist) {
		return true // there is no module, and so no queue
	}
	var rows []wire.NFQStatus
	if err == nil {
		rows, err = wire.ParseNFQStatusRows(buf[:n])
	}
	if err != nil {
		x.unseen(AboutQueue, err, "Which queues are bound cannot be seen").Advice = "run as root to see them"
		return false
	}
	for _, row := range rows {
		x.bound(x.nfqBound(row))
	}
	if x.queue(x.cfg.Number) == nil {
		x.say(Note, AboutQueue, "Nobody has bound queue %d", x.cfg.Number)
	}
	return true
}

func (x *examination) nfqBound(row wire.NFQStatus) BoundQueue {
	return BoundQueue{
		Backend: NFQueue, Number: row.Queue,
		Port: row.Port, Owner: portOwner(x.host, &x.cfg, sock.ProtoNetfilter, row.Port),
		Mode:   modeOf(row.CopyMode, row.CopyRange),
		Kernel: nfqStats(row),
	}
}

// modeOf is the mode by which the kernel copies that much.
func modeOf(m wire.CopyMode, n uint32) Mode {
	switch {
	case m == wire.CopyNone:
		return DropAll
	case m == wire.CopyMeta:
		return MetaOnly
	case n == 0 || n >= wire.NFQMaxPayload:
		return WholePacket
	}
	return Range(int(n))
}

// queue returns the queue of that number, nil if nobody has bound it.
func (x *examination) queue(number uint16) *BoundQueue {
	for i := range x.Queues {
		if x.Queues[i].Number == number {
			return &x.Queues[i]
		}
	}
	return nil
}

// bound adds a queue that somebody has bound.
func (x *examination) bound(q BoundQueue) {
	x.Queues = append(x.Queues, q)
	switch {
	case q.Mode == DropAll:
		x.say(x.unlessOwn(q, Fault), AboutQueue, "%v belongs to %s, in mode DropAll: the kernel drops its packets", q, q.Owner).
			Advice = "have that program set a mode, or stop it"
	default:
		x.say(x.unlessOwn(q, Good), AboutQueue, "%v belongs to %s, in mode %v", q, q.Owner, q.Mode)
	}
}

// unlessOwn is the severity of something about q: s if that is the queue
// examined, else less.
func (x *examination) unlessOwn(q BoundQueue, s Severity) Severity {
	switch {
	case q.Backend == IPQueue || q.Number == x.cfg.Number:
		return s
	case s == Good:
		return Note
	}
	return min(s, Warning)
}

// String names the queue: "Queue 5", "ip6_queue".
func (q BoundQueue) String() string {
	switch {
	case q.Backend == NFQueue:
		return fmt.Sprintf("Queue %d", q.Number)
	case q.Family == IPv6:
		return "ip6_queue"
	}
	return "ip_queue"
}

// manyPending is how many packets may wait in a queue without a remark: it is
// the length of a queue that nobody has set.
const manyPending = 1024

// loss tells of packets that were lost in a queue, or wait in it.
func (x *examination) loss(q BoundQueue) {
	k := q.Kernel
	if k.QueueDropped > 0 {
		x.say(x.unlessOwn(q, Warning), AboutLoss, "%v was full: %d packets were lost since it was bound", q, k.QueueDropped).
			Advice = "decide faster, or raise Config.QueueLength"
	}
	if k.SocketDropped > 0 {
		x.say(x.unlessOwn(q, Warning), AboutLoss, "The socket of %v was full: %d packets were lost since it was bound", q, k.SocketDropped).
			Advice = "read faster, or raise Config.ReadBuffer and net.core.rmem_max"
	}
	switch {
	case k.Pending >= manyPending:
		x.say(x.unlessOwn(q, Warning), AboutLoss, "%d packets wait in %v for a verdict", k.Pending, q).
			Advice = "the program is too slow or forgets packets; Config.Deadline bounds their wait"
	case k.Pending > 0:
		x.say(Note, AboutLoss, "%d packets wait in %v for a verdict", k.Pending, q)
	}
}

// flags tells whether what Config asks for can be had. The kernel refuses a
// flag that it cannot honour before it looks whether there is the queue that
// should get it (nfnetlink_queue.c, nfqnl_recv_config), so that it can be asked
// about a queue that nobody has bound.
func (x *examination) flags(i *inquiry) {
	for _, f := range nfqueueFlags(&x.cfg) {
		switch {
		case !f.set:
		case x.lacks(f.name):
			x.say(Fault, AboutConfig, "Config.%s needs %s", f.name, f.needs)
		default:
			x.flag(f, i.ask(x.ctx, x.probe(f.flag), nothing))
		}
	}
}

// probe is a request to set a flag of a queue that nobody has bound.
func (x *examination) probe(f wire.ConfigFlags) func(seq uint32) []byte {
	c := wire.NFQConfig{Queue: 65535, Flags: f, Mask: f}
	for x.queue(c.Queue) != nil {
		c.Queue--
	}
	return func(seq uint32) []byte { return wire.AppendNFQConfig(nil, wire.FlagAck, seq, 0, &c) }
}

// flag tells what the kernel said to a flag.
func (x *examination) flag(f configFlag, err error) {
	switch {
	case errors.Is(err, enodev):
		x.say(Good, AboutConfig, "Config.%s can be had", f.name)
	case errors.Is(err, eopnotsupp):
		x.say(Fault, AboutConfig, "This kernel has nothing for Config.%s, which needs %s", f.name, f.needs)
	default:
		x.unseen(AboutConfig, err, "Whether Config.%s can be had cannot be seen", f.name)
	}
}

// gso tells how large packets will be.
func (x *examination) gso() {
	switch {
	case x.cfg.NoGSO:
		x.say(Note, AboutGSO, "Config.NoGSO has the kernel cut large packets, which makes bulk TCP several times slower")
	case x.release.known() && !x.release.atLeast(release{3, 10}):
		x.say(Note, AboutGSO, "Linux before 3.10 cuts large packets before it queues them, which is slow for bulk TCP")
	default:
		x.say(Good, AboutGSO, "Large packets (GSO) come whole, up to 65531 bytes")
	}
}

// buffer compares the receive buffer that was granted to the examination's own
// socket with what Config asks for. The kernel grants twice that, for its own
// accounting.
func (x *examination) buffer(s sock.Socket) {
	wanted, granted := x.cfg.ReadBuffer, s.ReadBuffer()/2
	if granted >= wanted {
		x.say(Good, AboutBuffer, "A receive buffer of %d bytes is granted", wanted)
		return
	}
	x.say(Warning, AboutBuffer, "Of %d bytes of receive buffer only %d are granted, enough for about %d packets of %d bytes",
		wanted, granted, granted/bytesPerPacket, bytesPerPacket).
		Advice = fmt.Sprintf("set net.core.rmem_max to %d as root, or run with CAP_NET_ADMIN in the initial user namespace", wanted)
}
