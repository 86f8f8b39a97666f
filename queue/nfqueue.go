package queue

import (
	"fmt"
	"math"

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
	created bool // the queue may exist
	native  wire.Layout
	lastID  uint32
	message wire.NFQPacket // the last one decoded; used only by the reader
	limits  nfqueueLimits
}

func newNFQueue(c *Config) *nfqueue {
	n := &nfqueue{
		number: c.Number,
		mode:   c.Mode,
		length: uint32(min(c.QueueLength, 1<<31-1)),
		native: wire.Native(),
		// The kernel does not report a refusal of a part of a batch.
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

// A configFlag is a field of Config that corresponds to a flag of the kernel's
// queue.
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

// config returns a configuration message that sets the mode.
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

// stop makes the kernel drop new packets, or accept them: then the queue is
// always full and fails open. In one message the kernel would apply the length
// before the flags, so it takes two messages to lose no packet in between.
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

// acceptAll accepts all packets up to the last one that the kernel has
// numbered. If that is unknown, it accepts all up to an id far ahead.
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

// refused uses the sequence number of the request: for a single verdict it is
// the id of the packet, for a batch verdict the number of packets.
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

// familyOf returns the Family with that number in the kernel.
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

// missed returns the number of ids between the last packet and this one. The
// kernel assigns the id before it tries to deliver the packet.
func (n *nfqueue) missed(id uint32) uint64 {
	gap := id - n.lastID - 1
	if int32(gap) < 0 {
		return 0
	}
	n.lastID = id
	return uint64(gap)
}

// words maps actions to the kernel's verdicts. The kernel recognizes ACCEPT and
// REPEAT only if no other bit is set.
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
	w := wire.NFQVerdict{
		Queue: n.number, ID: uint32(id), Verdict: words[v.Action],
		SetMark: v.MarkMask != 0, Mark: v.Mark,
		SetPriority: v.SetPriority, Priority: v.Priority,
	}
	return wire.AppendNFQVerdict(b, 0, uint32(id), 0, &w)
}

// Stamp implements ledger.Encoder. There is nothing to complete.
func (n *nfqueue) Stamp([]byte) {}

// OneEach implements ledger.Encoder.
func (n *nfqueue) OneEach() bool { return false }

// Batches implements ledger.Encoder. A batch verdict can change the mark and,
// since Linux 5.18, the priority.
func (n *nfqueue) Batches(v ledger.Verdict) bool {
	return n.batches && (Action(v.Action) == Accept || Action(v.Action) == Drop)
}

// Reaches implements ledger.Encoder. The kernel compares ids as signed
// differences (nfnetlink_queue.c, nfq_id_after).
func (n *nfqueue) Reaches(first, last uint64) bool { return uint32(last-first) <= farID }

// farID is the largest difference of the ids of packets that one batch verdict
// decides.
const farID = 1 << 30

// AppendBatch implements ledger.Encoder.
func (n *nfqueue) AppendBatch(b []byte, id uint64, v ledger.Verdict, count int) []byte {
	w := wire.NFQVerdict{
		Queue: n.number, ID: uint32(id), Verdict: words[v.Action],
		SetMark: v.MarkMask != 0, Mark: v.Mark,
		SetPriority: v.SetPriority, Priority: v.Priority,
	}
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
		return fmt.Errorf("%w: Verdict.Conntrack requires Config.Conntrack", ErrUnsupported)
	}
	if err := n.limits.check(&v); err != nil {
		return err
	}
	return v.Conntrack.valid()
}

func (n *nfqueue) suits(p Packet, v Verdict) error {
	bridge := v.VLAN != (VLAN{}) || v.LinkHeader != nil
	if bridge && p.Family != Bridge {
		return fmt.Errorf("%w: VLAN and LinkHeader require a packet of family Bridge", ErrUnsupported)
	}
	if v.LinkHeader != nil && len(v.LinkHeader) != len(p.LinkHeader()) {
		return fmt.Errorf("%w: link header has %d bytes, but must have %d", ErrInvalid, len(v.LinkHeader), len(p.LinkHeader()))
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

func (n *nfqueue) indexes() bool                        { return true }
func (n *nfqueue) deviceName(l *links, i uint32) string { return l.name(i) }
