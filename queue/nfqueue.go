package queue

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strings"
	"time"

	"github.com/ipqueue/ipqueue/internal/ledger"
	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/wire"
)

// An nfqueue is a queue of nfnetlink_queue (net/netfilter/nfnetlink_queue.c).
type nfqueue struct {
	number  uint16
	mode    Mode
	length  uint32
	flags   wire.ConfigFlags
	batches bool // batch verdicts may be used
	created bool // the queue may be there
	native  wire.Layout
	lastID  uint32
	message wire.NFQPacket // decoded last; the reader's
	limits  nfqueueLimits
}

func newNFQueue(c *Config) *nfqueue {
	n := &nfqueue{
		number: c.Number,
		mode:   c.Mode,
		length: uint32(min(c.QueueLength, 1<<31-1)),
		native: wire.Native(),
		// Of a batch verdict the kernel refuses only the whole.
		batches: c.OnRefused == nil,
	}
	setDefault(&n.length, defaultQueueLength)
	if !c.NoGSO {
		n.flags = wire.ConfigGSO
	}
	for _, f := range nfqueueFlags(c) {
		if f.set {
			n.flags |= f.flag
		}
	}
	return n
}

// A configFlag is a field of Config that is a flag of the kernel's queue.
type configFlag struct {
	field
	flag  wire.ConfigFlags
	needs string
}

func nfqueueFlags(c *Config) []configFlag {
	return []configFlag{
		{field{"FailOpen", c.FailOpen}, wire.ConfigFailOpen, "Linux 3.6"},
		{field{"Conntrack", c.Conntrack}, wire.ConfigConntrack, "Linux 3.6 with nf_conntrack_netlink (CONFIG_NETFILTER_NETLINK_GLUE_CT)"},
		{field{"Owner", c.Owner}, wire.ConfigUIDGID, "Linux 3.14"},
		{field{"SecurityContext", c.SecurityContext}, wire.ConfigSecCtx, "Linux 4.3 with CONFIG_NETWORK_SECMARK"},
	}
}

func (n *nfqueue) name() string { return fmt.Sprintf("queue %d", n.number) }

func (n *nfqueue) socket(c *Config) sock.Config {
	s := socketConfig(c, sock.ProtoNetfilter, "netfilter/nfnetlink_queue")
	s.NoENOBUFS, s.CapAck = true, true
	return s
}

// bind creates the queue and sets it up. Before Linux 3.8 it also takes the
// packets of each family that nobody has: they would not come otherwise.
func (n *nfqueue) bind(ctx context.Context, q *binding) error {
	n.limits = limitsOf(q)
	handlers := handlersOf(q.host)
	if family := q.cfg.Family; handlers != nil && strings.HasPrefix(handlers[family.number()], "ip") {
		return explainHandler(family, ebusy)
	}
	err := n.create(ctx, q)
	if err == nil {
		err = n.checkFlags(ctx, q)
	}
	if err == nil {
		err = n.checkNamespace(ctx, q)
	}
	if err == nil && handlers != nil {
		err = n.bindFamilies(ctx, q, handlers)
	}
	if err != nil && n.created {
		n.leave(ctx, q)
	}
	return err
}

// bindFamilies takes the packets of IPv4 and IPv6, unless another module has
// them, for ever: what other programs have bound depends on it, too.
func (n *nfqueue) bindFamilies(ctx context.Context, q *binding, handlers map[uint8]string) error {
	for _, family := range []Family{IPv4, IPv6} {
		if handlers[family.number()] != "" {
			continue
		}
		c := wire.NFQConfig{Command: wire.CommandBindFamily, Family: family.number()}
		switch err := n.configure(ctx, q, c); {
		case errors.Is(err, ebusy) && family == q.cfg.Family:
			return explainHandler(family, err)
		case err == nil, errors.Is(err, ebusy), errors.Is(err, eexist):
		default:
			return err
		}
	}
	return nil
}

// configure sends a configuration message and returns the kernel's answer.
func (n *nfqueue) configure(ctx context.Context, q *binding, c wire.NFQConfig) error {
	c.Queue = n.number
	return q.request(ctx, func(seq uint32) []byte {
		return wire.AppendNFQConfig(nil, wire.FlagAck, seq, 0, &c)
	})
}

// create creates the queue, with all settings. Linux 3.6 to 4.4 looks at the
// flags last: the queue is there although they are refused.
func (n *nfqueue) create(ctx context.Context, q *binding) error {
	err := n.own(ctx, q, true)
	if !errors.Is(err, eopnotsupp) {
		return err
	}
	n.created = true // perhaps
	for _, f := range nfqueueFlags(&q.cfg) {
		if f.set && n.refuses(ctx, q, f.flag) {
			return unsupportedFlag(f)
		}
	}
	if n.flags&wire.ConfigGSO == 0 || !n.refuses(ctx, q, wire.ConfigGSO) {
		return err
	}
	n.flags &^= wire.ConfigGSO // before Linux 3.10 there are no GSO packets to ask for
	return n.own(ctx, q, false)
}

// refuses reports whether the kernel refuses a flag. Where the flags come first
// it need not have the queue for that.
func (n *nfqueue) refuses(ctx context.Context, q *binding, f wire.ConfigFlags) bool {
	return errors.Is(n.configure(ctx, q, wire.NFQConfig{Flags: f, Mask: f}), eopnotsupp)
}

// noFlag is a flag that no kernel knows.
const noFlag wire.ConfigFlags = 1 << 31

// checkFlags refuses the fields of Config that are flags if the kernel passed
// over them without an error, as before Linux 3.6. It then passes over noFlag, as
// well.
func (n *nfqueue) checkFlags(ctx context.Context, q *binding) error {
	for _, f := range nfqueueFlags(&q.cfg) {
		if !f.set {
			continue
		}
		err := n.configure(ctx, q, wire.NFQConfig{Flags: noFlag, Mask: noFlag})
		switch {
		case err == nil:
			return unsupportedFlag(f)
		case errors.Is(err, eopnotsupp), errors.Is(err, einval):
			return nil
		}
		return err
	}
	return nil
}

// checkNamespace refuses a queue that gets no packet because it is outside the
// initial network namespace, as before Linux 3.10. The kernel's status file is
// then not there, and there is no flag for GSO. Without /proc nothing is known.
func (n *nfqueue) checkNamespace(ctx context.Context, q *binding) error {
	if !errors.Is(q.status.missing(), fs.ErrNotExist) {
		return nil
	}
	if _, err := q.host.ReadFile("/proc/net/netlink"); err != nil {
		return nil
	}
	// Flags that are not in the mask are checked, but not set.
	err := n.configure(ctx, q, wire.NFQConfig{Flags: wire.ConfigGSO, Mask: noFlag})
	if err == nil && n.configure(ctx, q, wire.NFQConfig{Flags: noFlag, Mask: noFlag}) == nil {
		return errForeignNamespace // it knows no flags
	}
	if errors.Is(err, eopnotsupp) {
		return errForeignNamespace
	}
	return nil
}

// leave gives the queue up. The kernel does so when the socket closes, but before
// Linux 3.10 only in the initial network namespace.
func (n *nfqueue) leave(ctx context.Context, q *binding) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = n.configure(ctx, q, wire.NFQConfig{Command: wire.CommandUnbind})
}

// own sends the queue's configuration in one message, so that there is no moment
// in which it drops packets for want of a mode. If the queue belongs to another
// socket it waits for that to go.
func (n *nfqueue) own(ctx context.Context, q *binding, create bool) error {
	patience, privileged := q.patience(sock.ProtoNetfilter), false
	for {
		err := n.tryOwn(ctx, q, create)
		if !errors.Is(err, eperm) {
			n.created = n.created || err == nil
			return err
		}
		port := n.owner(q)
		if port == 0 && !privileged {
			if privileged, err = n.privileged(ctx, q); err != nil {
				return err
			}
		}
		again, err := patience.wait(ctx, port)
		if err != nil {
			return err
		}
		if !again {
			return n.explainTaken(q, eperm, port)
		}
	}
}

// tryOwn asks once. After a lost answer the request is repeated, and the queue may
// be there already, or not.
func (n *nfqueue) tryOwn(ctx context.Context, q *binding, create bool) error {
	for {
		created := create
		err := q.request(ctx, func(seq uint32) []byte {
			b := n.appendBind(seq, create)
			created, create = create, false
			return b
		})
		if created || !errors.Is(err, enodev) {
			return err
		}
		create = true
	}
}

// privileged fails with EPERM if the caller has no CAP_NET_ADMIN. The kernel
// answers EPERM for a queue that belongs to another socket, too, but not to a
// message without a body, which it ignores (net/netfilter/nfnetlink.c,
// nfnetlink_rcv_msg).
func (n *nfqueue) privileged(ctx context.Context, q *binding) (bool, error) {
	err := q.request(ctx, func(seq uint32) []byte {
		return n.native.AppendHeader(nil, wire.Header{
			Len: wire.HeaderLen, Type: wire.NFQConfigType, Flags: wire.FlagRequest | wire.FlagAck, Seq: seq,
		})
	})
	return err == nil, err
}

func (n *nfqueue) appendBind(seq uint32, create bool) []byte {
	c := n.config(n.mode)
	if create {
		c.Command = wire.CommandBind
	}
	c.SetMaxLen, c.MaxLen = true, n.length
	c.Flags, c.Mask = n.flags, n.flags
	return wire.AppendNFQConfig(nil, wire.FlagAck, seq, 0, &c)
}

// config is a configuration message that sets the mode.
func (n *nfqueue) config(m Mode) wire.NFQConfig {
	c := wire.NFQConfig{Queue: n.number, SetMode: true, Mode: wire.CopyPacket, Range: wire.NFQMaxPayload}
	switch {
	case m == DropAll:
		c.Mode, c.Range = wire.CopyNone, 0
	case m == MetaOnly:
		c.Mode, c.Range = wire.CopyMeta, 0
	case m > 0:
		c.Range = uint32(min(int(m), wire.NFQMaxPayload))
	}
	return c
}

func (n *nfqueue) appendMode(b []byte, seq uint32, m Mode) []byte {
	c := n.config(m)
	return wire.AppendNFQConfig(b, wire.FlagAck, seq, 0, &c)
}

func (n *nfqueue) answers(e *wire.ErrorMessage, seq uint32) bool {
	return e.Request.Type == wire.NFQConfigType && e.Request.Seq == seq
}

// stop makes the kernel drop further packets, or let them pass: a queue that
// is always full and fails open. The kernel takes the length before the flags
// of one message, so it takes two to lose nothing in between.
func (n *nfqueue) stop(accept bool) [][]byte {
	if !accept {
		c := n.config(DropAll)
		return [][]byte{wire.AppendNFQConfig(nil, 0, 0, 0, &c)}
	}
	open := wire.NFQConfig{Queue: n.number, Flags: wire.ConfigFailOpen, Mask: wire.ConfigFailOpen}
	full := wire.NFQConfig{Queue: n.number, SetMaxLen: true}
	b := wire.AppendNFQConfig(nil, 0, 0, 0, &open)
	return [][]byte{wire.AppendNFQConfig(b, 0, 0, 0, &full)}
}

// acceptAll accepts all packets up to the last one that the kernel has numbered
// or, if that is not known, to one far in the future.
func (n *nfqueue) acceptAll(row KernelStats) []byte {
	last := row.LastID
	if row.Err != nil {
		last = n.lastID + farID
	}
	return wire.AppendNFQVerdictBatch(nil, 0, 0, 0, &wire.NFQVerdict{
		Queue: n.number, ID: last, Verdict: wire.VerdictAccept,
	})
}

func (n *nfqueue) packetType() uint16  { return wire.NFQPacketType }
func (n *nfqueue) layout() wire.Layout { return n.native }
func (n *nfqueue) maxPayload() int     { return wire.NFQMaxPayload }
func (n *nfqueue) reusesIDs() bool     { return false }

// refused reads the sequence number: of a single verdict it is the packet's
// id, of a batch verdict the number of packets.
func (n *nfqueue) refused(e *wire.ErrorMessage) (id, count uint64) {
	switch e.Request.Type {
	case wire.NFQVerdictType:
		return uint64(e.Request.Seq), 1
	case wire.NFQVerdictBatchType:
		return 0, uint64(e.Request.Seq)
	}
	return 0, 0
}

func (n *nfqueue) decode(body []byte, p *Packet, x *extra) (bool, error) {
	m := &n.message
	err := m.Parse(body)
	if m.Has&wire.HasPacketHeader == 0 || m.Queue != n.number {
		return false, err
	}
	p.ID = uint64(m.ID)
	p.Payload = m.Payload
	p.has = m.Has
	p.Length = uint32(len(m.Payload))
	if m.Has&wire.HasCapLen != 0 {
		p.Length = m.CapLen
	}
	p.Mark, p.Priority, p.ClassID = m.Mark, m.Priority, m.ClassID
	p.in, p.out, p.physIn, p.physOut = m.InDev, m.OutDev, m.PhysInDev, m.PhysOutDev
	p.uid, p.gid = m.UID, m.GID
	p.HWProtocol, p.Hook, p.Family = m.HWProtocol, Hook(m.Hook), familyOf(m.Family)
	p.hwAddr, p.hwLen = m.HWAddr, m.HWAddrLen
	p.vlan = VLAN{m.VLANProto, m.VLANTCI}
	p.skb, p.ctInfo = uint8(m.SKBInfo), uint8(min(m.CTInfo, math.MaxUint8))
	if m.Has&wire.HasTimestamp != 0 {
		p.micros = int64(m.TimeSec)*1e6 + int64(m.TimeUsec)
	}
	x.link, x.secctx, x.conntrack = m.LinkHeader, m.SecCtx, m.Conntrack
	x.missed = n.missed(m.ID)
	return true, err
}

// familyOf translates the kernel's number of a protocol family.
func familyOf(nfproto uint8) Family {
	switch nfproto {
	case 2:
		return IPv4
	case 10:
		return IPv6
	case 7:
		return Bridge
	case 3:
		return ARP
	}
	return OtherFamily
}

// missed counts the ids between the last packet and this one. The kernel
// takes the number before it tries to deliver the packet.
func (n *nfqueue) missed(id uint32) uint64 {
	gap := id - n.lastID - 1
	if int32(gap) < 0 {
		return 0
	}
	n.lastID = id
	return uint64(gap)
}

// words are the verdicts as the kernel wants them: ACCEPT and REPEAT are
// recognised only if no other bit is set.
var words = [actions]wire.Verdict{
	Accept: wire.VerdictAccept,
	Drop:   wire.VerdictDrop,
	Repeat: wire.VerdictRepeat,
	Stop:   wire.VerdictStop,
}

// AppendVerdict implements ledger.Encoder. The sequence number of a verdict is
// the id of its packet, so that an error reply without the request
// (NETLINK_CAP_ACK) still names it.
func (n *nfqueue) AppendVerdict(b []byte, id uint64, v ledger.Verdict) []byte {
	w := n.verdict(id, v)
	return wire.AppendNFQVerdict(b, 0, uint32(id), 0, &w)
}

func (n *nfqueue) verdict(id uint64, v ledger.Verdict) wire.NFQVerdict {
	return wire.NFQVerdict{
		Queue: n.number, ID: uint32(id), Verdict: words[v.Action],
		SetMark: v.MarkMask != 0, Mark: v.Mark,
		SetPriority: v.SetPriority, Priority: v.Priority,
	}
}

// Stamp implements ledger.Encoder. appendVerdict leaves nothing to add.
func (n *nfqueue) Stamp([]byte) {}

// OneEach implements ledger.Encoder.
func (n *nfqueue) OneEach() bool { return false }

// Batches implements ledger.Encoder. Of a batch verdict the kernel takes the
// word, the mark and, since Linux 5.18, the priority.
func (n *nfqueue) Batches(v ledger.Verdict) bool {
	return n.batches && (Action(v.Action) == Accept || Action(v.Action) == Drop)
}

// Reaches implements ledger.Encoder. The kernel compares ids as signed
// differences (nfnetlink_queue.c, nfq_id_after).
func (n *nfqueue) Reaches(first, last uint64) bool { return uint32(last-first) <= farID }

// farID is how far apart the ids of packets may be that are decided together.
const farID = 1 << 30

// AppendBatch implements ledger.Encoder.
func (n *nfqueue) AppendBatch(b []byte, id uint64, v ledger.Verdict, count int) []byte {
	w := n.verdict(id, v)
	return wire.AppendNFQVerdictBatch(b, 0, uint32(count), 0, &w)
}

func (n *nfqueue) check(v Verdict) error {
	if err := v.checkMark(); err != nil {
		return err
	}
	if v.Conntrack == (CTChange{}) {
		return nil
	}
	if n.flags&wire.ConfigConntrack == 0 {
		return fmt.Errorf("%w: a change of the connection requires Config.Conntrack", ErrUnsupported)
	}
	if err := n.limits.check(&v); err != nil {
		return err
	}
	return v.Conntrack.valid()
}

func (n *nfqueue) suits(p Packet, v Verdict) error {
	bridge := v.VLAN != (VLAN{}) || v.LinkHeader != nil
	if bridge && p.Family != Bridge {
		return fmt.Errorf("%w: VLAN and LinkHeader can be changed in the Bridge family only", ErrUnsupported)
	}
	if v.LinkHeader != nil && len(v.LinkHeader) != len(p.LinkHeader()) {
		return fmt.Errorf("%w: link header of %d bytes for one of %d", ErrInvalid, len(v.LinkHeader), len(p.LinkHeader()))
	}
	return n.limits.suits(&p, &v)
}

func (n *nfqueue) appendVerdict(b []byte, id uint64, mark uint32, v Verdict) []byte {
	w := wire.NFQVerdict{
		Queue: n.number, ID: uint32(id), Verdict: words[v.Action],
		SetMark: v.changesMark(), Mark: mark,
		SetPriority: v.Priority != 0 || v.ZeroPriority, Priority: v.Priority,
		SetVLAN: v.VLAN != (VLAN{}), VLANProto: v.VLAN.Protocol, VLANTCI: v.VLAN.TCI,
		LinkHeader: v.LinkHeader,
		SetPayload: v.Payload != nil, Payload: v.Payload,
	}
	var attrs [wire.CTChangeMax]byte
	if v.Conntrack != (CTChange{}) {
		w.Conntrack = v.Conntrack.append(attrs[:0])
	}
	if v.Action == Requeue {
		w.Verdict = wire.QueueVerdict(v.Number, v.Bypass)
	}
	return wire.AppendNFQVerdict(b, 0, uint32(id), 0, &w)
}

func (n *nfqueue) status(f *statusReader) (KernelStats, error) {
	row, err := f.row(n.number)
	if err != nil {
		return KernelStats{}, err
	}
	return nfqStats(row), nil
}

func nfqStats(row wire.NFQStatus) KernelStats {
	return KernelStats{
		Pending:       row.Pending,
		QueueDropped:  row.QueueDropped,
		SocketDropped: row.UserDropped,
		LastID:        row.LastID,
	}
}

// owner returns the port of the socket that owns the queue, 0 if nobody does,
// it is this one, or it cannot be found out.
func (n *nfqueue) owner(q *binding) uint32 {
	row, err := q.status.row(n.number)
	if err != nil || row.Port == q.sock.Port() {
		return 0
	}
	return row.Port
}

func (n *nfqueue) indexes() bool                        { return true }
func (n *nfqueue) deviceName(l *links, i uint32) string { return l.name(i) }
