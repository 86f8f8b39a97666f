package queue

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/ipqueue/ipqueue/internal/ledger"
	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/wire"
)

// An ipqueue is ip_queue or ip6_queue (net/ipv4/netfilter/ip_queue.c,
// net/ipv6/netfilter/ip6_queue.c, Linux 2.4 to 3.4).
type ipqueue struct {
	family  Family
	mode    Mode
	words   wire.Layout // the layout of the kernel
	known   bool        // words is known to be right
	port    uint32
	seq     uint32         // of the last verdict; used only by the sender
	message wire.IPQPacket // the last one decoded; used only by the reader
	devices devices
	in, out numberedName // interfaces of that packet
}

// verdictSeq is a bit in the sequence numbers of verdicts, which requests do
// not have. So an answer shows which of both it is for.
const verdictSeq = 1 << 31

func newIPQueue(c *Config) *ipqueue {
	k := &ipqueue{family: c.Family, mode: c.Mode, words: wire.Native()}
	if c.WordSize != 0 {
		k.setWordSize(c.WordSize)
	}
	return k
}

func (k *ipqueue) setWordSize(bits int) {
	big := wire.Native().BigEndian()
	k.known = true
	switch {
	case bits == 64 && big:
		k.words = wire.BE64
	case bits == 64:
		k.words = wire.LE64
	case big:
		k.words = wire.BE32
	default:
		k.words = wire.LE32
	}
}

func (k *ipqueue) name() string {
	if k.family == IPv6 {
		return "ip6_queue"
	}
	return "ip_queue"
}

func (k *ipqueue) socket(c *Config) sock.Config {
	s := socketConfig(c, k.protocol(), k.name())
	s.PositivePort = true
	return s
}

func (k *ipqueue) protocol() int {
	if k.family == IPv6 {
		return sock.ProtoIP6FW
	}
	return sock.ProtoFirewall
}

// bind makes this socket the only peer of the kernel's queue. The first request
// does that, whether or not it succeeds. If the layout is unknown, the first
// request is one that only a 32-bit kernel accepts.
func (k *ipqueue) bind(ctx context.Context, q *binding) error {
	k.port = q.sock.Port()
	patience := q.patience(k.protocol())
	for {
		err := k.tryBind(ctx, q)
		if err == nil && q.cfg.QueueLength > 0 {
			return k.setLength(q.host, q.cfg.QueueLength)
		}
		if !errors.Is(err, ebusy) {
			return err
		}
		status, _ := q.status.ipq()
		again, err := patience.wait(ctx, status.Port)
		if err != nil {
			return err
		}
		if !again {
			return k.explainTaken(q, ebusy, status.Port)
		}
	}
}

// setLength sets the queue length, which is a limit of the whole machine.
func (k *ipqueue) setLength(kernel sock.Kernel, n int) error {
	file := "/proc/sys/net/ipv4/ip_queue_maxlen"
	if k.family == IPv6 {
		file = "/proc/sys/net/ipv6/ip6_queue_maxlen"
	}
	if err := kernel.WriteFile(file, strconv.AppendInt(nil, int64(min(n, math.MaxInt32)), 10)); err != nil {
		return explainLength(file, err)
	}
	return nil
}

func (k *ipqueue) tryBind(ctx context.Context, q *binding) error {
	if !k.known {
		if err := k.probe(ctx, q); err != nil {
			return err
		}
	}
	return q.request(ctx, func(seq uint32) []byte { return k.appendMode(nil, seq, k.mode) })
}

// probe determines the size of the kernel's unsigned long: a request for mode
// NONE in the format of a 32-bit kernel is too short for a 64-bit kernel.
func (k *ipqueue) probe(ctx context.Context, q *binding) error {
	k.setWordSize(32)
	k.known = false
	err := q.request(ctx, func(seq uint32) []byte { return k.appendMode(nil, seq, DropAll) })
	switch {
	case err == nil:
		k.setWordSize(32)
	case errors.Is(err, einval):
		k.setWordSize(64)
		err = nil
	}
	return err
}

// explain adds to an error of bind what to do about it.
func (k *ipqueue) explain(q *binding, err error) error {
	switch {
	case (errors.Is(err, eprotonosupport) || errors.Is(err, econnrefused)) && handlersOf(q.host)[k.family.number()] == "nf_queue":
		return explain(err, "nfnetlink_queue has all %v packets: use it, or rmmod nfnetlink_queue", k.family)
	case errors.Is(err, eprotonosupport):
		return explain(err, "use nfnetlink_queue (Config.Backend), or load %s, which only Linux up to 3.4 has", k.name())
	case errors.Is(err, econnrefused):
		return explain(err, "load module %s: it is not loaded, or this is not the initial network namespace", k.name())
	case q.sock == nil:
		return explainSocket(&q.cfg, err)
	case errors.Is(err, eperm):
		return explain(err, "needs CAP_NET_ADMIN in the initial user namespace (run as root, or setcap cap_net_admin+ep PROGRAM)")
	case errors.Is(err, einval) && q.cfg.WordSize != 0:
		return explain(err, "leave out Config.WordSize: this kernel's words have another size")
	}
	return err
}

// explainTaken explains that another socket is the only peer of the kernel's
// queue.
func (k *ipqueue) explainTaken(q *binding, err error, port uint32) error {
	owner, self := "another socket", false
	if port != 0 {
		owner, self = q.portOwner(k.protocol(), port)
	}
	if self {
		return explain(err, "taken by %s: close the other Queue, %s serves one at a time", owner, k.name())
	}
	return explain(err, "taken by %s: stop it, %s serves one program at a time", owner, k.name())
}

func (k *ipqueue) appendMode(b []byte, seq uint32, m Mode) []byte {
	mode, n := wire.CopyPacket, 0
	switch {
	case m == DropAll:
		mode = wire.CopyNone
	case m == MetaOnly:
		mode = wire.CopyMeta
	case m > 0:
		n = min(int(m), wire.IPQMaxPayload)
	}
	return k.words.AppendIPQMode(b, wire.FlagRequest|wire.FlagAck, seq, k.port, mode, uint64(n))
}

func (k *ipqueue) answers(e *wire.ErrorMessage, seq uint32) bool { return e.Request.Seq == seq }

// stop makes the kernel drop new packets. ip_queue cannot let them pass.
func (k *ipqueue) stop(bool) [][]byte {
	return [][]byte{k.appendMode(nil, 0, DropAll)}
}

func (k *ipqueue) acceptAll(KernelStats) []byte { return nil }

// Batches implements ledger.Encoder: ip_queue has no batch verdicts.
func (k *ipqueue) Batches(ledger.Verdict) bool { return false }

// Reaches implements ledger.Encoder. It is not called.
func (k *ipqueue) Reaches(_, _ uint64) bool { return false }

// AppendBatch implements ledger.Encoder. It is not called.
func (k *ipqueue) AppendBatch(b []byte, _ uint64, _ ledger.Verdict, _ int) []byte { return b }

func (k *ipqueue) packetType() uint16  { return wire.IPQPacketType }
func (k *ipqueue) layout() wire.Layout { return k.words }

// OneEach implements ledger.Encoder: the kernel reads only the first message of
// a datagram.
func (k *ipqueue) OneEach() bool   { return true }
func (k *ipqueue) maxPayload() int { return wire.IPQMaxPayload }
func (k *ipqueue) reusesIDs() bool { return true }

// Stamp implements ledger.Encoder. It writes the sequence number of a verdict.
func (k *ipqueue) Stamp(message []byte) {
	_ = k.words.AppendHeader(message[:0], wire.Header{
		Len:   uint32(len(message)),
		Type:  wire.IPQVerdictType,
		Flags: wire.FlagRequest,
		Seq:   k.nextSeq(),
		Port:  k.port,
	})
}

func (k *ipqueue) nextSeq() uint32 {
	k.seq++
	return k.seq | verdictSeq
}

// refused reads the id from the request, which ip_queue always repeats in the
// reply.
func (k *ipqueue) refused(e *wire.ErrorMessage) (id, n uint64) {
	if e.Request.Seq&verdictSeq == 0 {
		return 0, 0
	}
	id, _, _, _ = k.words.ParseIPQVerdict(e.Body)
	return id, 1
}

func (k *ipqueue) decode(body []byte, p *Packet, x *extra) (bool, error) {
	m := &k.message
	err := m.Parse(k.words, body)
	if !m.HasID {
		return false, err
	}
	p.ID = m.ID
	p.Payload = m.Payload
	p.Length = fullLength(k.family, m.Payload)
	p.Mark = m.Mark
	p.Hook, p.Family = Hook(m.Hook), k.family
	p.HWProtocol, p.HWType = m.HWProtocol, m.HWType
	p.hwAddr, p.hwLen = m.HWAddr, m.HWAddrLen
	p.in, p.out = k.devices.number(m.InDev, &k.in), k.devices.number(m.OutDev, &k.out)
	p.micros = m.TimeSec*1e6 + m.TimeUsec
	*x = extra{} // ids are addresses and show no gap
	return true, err
}

// fullLength returns the length of a packet whose copy may be shorter. ip_queue
// does not report it, so it is read from the IP header.
func fullLength(f Family, b []byte) uint32 {
	n := len(b)
	switch {
	case f == IPv4 && n >= 4:
		n = max(n, int(b[2])<<8|int(b[3]))
	case f == IPv6 && n >= 6:
		n = max(n, 40+(int(b[4])<<8|int(b[5])))
	}
	return uint32(n)
}

// ipqWords maps actions to the verdicts of ip_queue, which do not contain queue
// numbers. NF_STOLEN is not among them: kernels before 3.4 leak the packet.
var ipqWords = [actions]wire.Verdict{
	Accept:  wire.VerdictAccept,
	Drop:    wire.VerdictDrop,
	Repeat:  wire.VerdictRepeat,
	Stop:    wire.VerdictStop,
	Requeue: wire.VerdictQueue,
}

// AppendVerdict implements ledger.Encoder.
func (k *ipqueue) AppendVerdict(b []byte, id uint64, v ledger.Verdict) []byte {
	return k.words.AppendIPQVerdict(b, wire.FlagRequest, k.nextSeq(), k.port, id, ipqWords[v.Action], nil)
}

func (k *ipqueue) suits(Packet, Verdict) error { return nil }

func (k *ipqueue) check(v Verdict) error {
	return refuseVerdict([]field{
		{"Mark", v.Mark != 0},
		{"MarkMask", v.MarkMask != 0},
		{"Priority", v.Priority != 0 || v.ZeroPriority},
		{"Number", v.Number != 0},
		{"Bypass", v.Bypass},
		{"VLAN", v.VLAN != (VLAN{})},
		{"LinkHeader", v.LinkHeader != nil},
		{"Conntrack", v.Conntrack != (CTChange{})},
	})
}

func refuseVerdict(fields []field) error {
	for _, f := range fields {
		if f.set {
			return fmt.Errorf("%w: ip_queue does not support Verdict.%s", ErrUnsupported, f.name)
		}
	}
	return nil
}

func (k *ipqueue) appendVerdict(b []byte, id uint64, _ uint32, v Verdict) []byte {
	return k.words.AppendIPQVerdict(b, wire.FlagRequest, 0, k.port, id, ipqWords[v.Action], v.Payload)
}

func (k *ipqueue) status(f *statusReader) (KernelStats, error) {
	s, err := f.ipq()
	if err != nil {
		return KernelStats{}, err
	}
	return ipqStats(s), nil
}

func ipqStats(s wire.IPQStatus) KernelStats {
	return KernelStats{Pending: s.Pending, QueueDropped: s.QueueDropped, SocketDropped: s.UserDropped}
}

func (k *ipqueue) indexes() bool                        { return false }
func (k *ipqueue) deviceName(_ *links, i uint32) string { return k.devices.name(i) }
