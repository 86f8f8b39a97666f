package wire

import (
	"strconv"
	"strings"
)

// A Verdict is the word that decides a packet. Bits 0 to 7 say what to do; with
// VerdictQueue, bits 16 to 31 are a queue number and bit 15 asks to let the
// packet pass if nobody serves that queue (see [QueueVerdict]). With any other
// verdict bits 8 to 31 must be zero: nfnetlink_queue compares some verdicts as
// whole words, so that 0x10001 is no error but skips the remaining hooks
// (net/netfilter/nfnetlink_queue.c). ip_queue takes no queue number.
type Verdict uint32

// The verdicts, as in the kernel's include/uapi/linux/netfilter.h.
const (
	VerdictDrop   Verdict = 0 // free the packet
	VerdictAccept Verdict = 1 // go on with the next hook
	VerdictStolen Verdict = 2 // never send it: refused, and leaks the packet before Linux 3.4
	VerdictQueue  Verdict = 3 // queue again, for the queue number in the upper half
	VerdictRepeat Verdict = 4 // call the same hook again
	VerdictStop   Verdict = 5 // accept without the remaining hooks
)

const verdictBypass Verdict = 0x8000 // NF_VERDICT_FLAG_QUEUE_BYPASS

// QueueVerdict returns the verdict that passes a packet on to queue num. If
// nobody serves that queue the packet is dropped, or, with bypass, accepted.
func QueueVerdict(num uint16, bypass bool) Verdict {
	v := VerdictQueue | Verdict(num)<<16
	if bypass {
		v |= verdictBypass
	}
	return v
}

// Valid reports whether nfnetlink_queue accepts v and reads it as meant: a
// known verdict other than stolen, with nothing in bits 8 to 31 unless it is
// VerdictQueue.
func (v Verdict) Valid() bool {
	if v&0xff == VerdictQueue {
		return v&0x7f00 == 0
	}
	return v <= VerdictStop && v != VerdictStolen
}

// word returns v as it is sent: the bits that must be zero are, so that a stray
// one cannot skip a hook.
func (v Verdict) word() uint32 {
	if v&0xff == VerdictQueue {
		return uint32(v &^ 0x7f00)
	}
	return uint32(v & 0xff)
}

// String returns the verdict in lower case, for VerdictQueue with the number of
// the queue, such as "queue 7 bypass".
func (v Verdict) String() string {
	if v&0xff == VerdictQueue && v&0x7f00 == 0 {
		s := "queue " + strconv.Itoa(int(v>>16))
		if v&verdictBypass != 0 {
			s += " bypass"
		}
		return s
	}
	names := [...]string{VerdictDrop: "drop", VerdictAccept: "accept", VerdictStolen: "stolen", VerdictRepeat: "repeat", VerdictStop: "stop"}
	if v < Verdict(len(names)) {
		return names[v]
	}
	return "Verdict(0x" + strconv.FormatUint(uint64(v), 16) + ")"
}

// A CopyMode says how much of each packet is sent to the program. The numbers
// are the same for ip_queue and nfnetlink_queue. nfnetlink_queue ignores
// other values without an error.
type CopyMode uint8

// The copy modes.
const (
	CopyNone   CopyMode = 0 // nothing: new packets are dropped
	CopyMeta   CopyMode = 1 // what is known of the packet, without its bytes
	CopyPacket CopyMode = 2 // its first bytes too, up to the range
)

// String returns "none", "meta" or "packet".
func (m CopyMode) String() string {
	return name("CopyMode", uint32(m), "none", "meta", "packet")
}

// A Hook is the point in the kernel's packet path at which a packet was
// queued. The numbers are those of IPv4 and IPv6 (NF_INET_*).
type Hook uint8

// The hooks.
const (
	HookPrerouting  Hook = 0 // arrived, not routed yet
	HookInput       Hook = 1 // for this machine
	HookForward     Hook = 2 // passing through
	HookOutput      Hook = 3 // made by this machine
	HookPostrouting Hook = 4 // about to leave
)

// String returns the name by which rule sets call the hook, such as "forward".
func (h Hook) String() string {
	return name("Hook", uint32(h), "prerouting", "input", "forward", "output", "postrouting")
}

// SKBInfo is a set of facts about the checksums and the size of a packet
// (NFQA_SKB_INFO). The zero value means: complete, and verified if it was
// received.
type SKBInfo uint32

// The bits of SKBInfo.
const (
	SKBChecksumNotReady    SKBInfo = 0x1 // the checksum field is not final yet, not wrong (Linux 3.10)
	SKBGSO                 SKBInfo = 0x2 // a packet larger than the MTU, split later (Linux 3.10)
	SKBChecksumNotVerified SKBInfo = 0x4 // nobody has checked the checksum yet (Linux 3.11)
)

// String returns the names of the bits joined by "|", or "0" if there are none.
func (i SKBInfo) String() string {
	return bitNames(uint32(i), "checksum-not-ready", "gso", "checksum-not-verified")
}

// ConfigFlags are options of one queue (NFQA_CFG_FLAGS). Which of them a kernel
// knows depends on its version; it refuses others with EOPNOTSUPP or EINVAL.
type ConfigFlags uint32

// The bits of ConfigFlags.
const (
	ConfigFailOpen  ConfigFlags = 0x01 // accept what the queue or the socket cannot take (Linux 3.6)
	ConfigConntrack ConfigFlags = 0x02 // send the connection tracking entry (Linux 3.6)
	ConfigGSO       ConfigFlags = 0x04 // do not split large packets, do not complete checksums (Linux 3.10)
	ConfigUIDGID    ConfigFlags = 0x08 // send user and group of the local socket (Linux 3.14)
	ConfigSecCtx    ConfigFlags = 0x10 // send the security context (Linux 4.3)
)

// String returns the names of the bits joined by "|", or "0" if there are none.
func (f ConfigFlags) String() string {
	return bitNames(uint32(f), "fail-open", "conntrack", "gso", "uid-gid", "secctx")
}

// CTInfo is the relation of a packet to its connection (NFQA_CT_INFO, enum
// ip_conntrack_info).
type CTInfo uint32

// The relations.
const (
	CTEstablished      CTInfo = 0 // of a connection that has seen both directions
	CTRelated          CTInfo = 1 // starts a connection that belongs to another, or an ICMP error
	CTNew              CTInfo = 2 // of a connection that has seen one direction only
	CTEstablishedReply CTInfo = 3 // as CTEstablished, in the reply direction
	CTRelatedReply     CTInfo = 4 // as CTRelated, in the reply direction
	CTNewReply         CTInfo = 5 // as CTNew, in the reply direction; not used by the kernel
)

// String returns "established", "related", "new", and the same with "-reply".
func (i CTInfo) String() string {
	return name("CTInfo", uint32(i), "established", "related", "new", "established-reply", "related-reply", "new-reply")
}

// CTStatus is the state of a connection tracking entry (CTA_STATUS, enum
// ip_conntrack_status).
type CTStatus uint32

// The bits of CTStatus.
const (
	CTExpected     CTStatus = 1 << iota // belongs to another connection, whose helper foresaw it
	CTSeenReply                         // has seen both directions
	CTAssured                           // is not ended early when the table is full
	CTConfirmed                         // is in the table: its first packet has left
	CTSrcNAT                            // needs source addresses translated
	CTDstNAT                            // needs destination addresses translated
	CTSeqAdjust                         // needs TCP sequence numbers adjusted
	CTSrcNATDone                        // source translation was decided
	CTDstNATDone                        // destination translation was decided
	CTDying                             // is about to be freed
	CTFixedTimeout                      // the timeout is not extended by packets
	CTTemplate                          // is a template, not a connection
	CTUntracked                         // not tracked (before Linux 4.12)
	CTHelper                            // got its helper from a rule (Linux 3.5)
	CTOffload                           // is in a flow table (Linux 4.16)
	CTHWOffload                         // is in hardware (Linux 5.7)
)

// String returns the names of the bits joined by "|", or "0" if there are none.
func (s CTStatus) String() string {
	return bitNames(uint32(s), "expected", "seen-reply", "assured", "confirmed", "src-nat", "dst-nat", "seq-adjust",
		"src-nat-done", "dst-nat-done", "dying", "fixed-timeout", "template", "untracked", "helper", "offload", "hw-offload")
}

// name returns names[v], or typ(v) if there is no such name.
func name(typ string, v uint32, names ...string) string {
	if uint64(v) < uint64(len(names)) {
		return names[v]
	}
	return typ + "(" + strconv.FormatUint(uint64(v), 10) + ")"
}

// bitNames joins the names of the bits set in v; names[i] is that of 1<<i, and
// bits without a name are added as one hexadecimal number.
func bitNames(v uint32, names ...string) string {
	if v == 0 {
		return "0"
	}
	var set []string
	for i, name := range names {
		if bit := uint32(1) << i; v&bit != 0 && name != "" {
			set = append(set, name)
			v &^= bit
		}
	}
	if v != 0 {
		set = append(set, "0x"+strconv.FormatUint(uint64(v), 16))
	}
	return strings.Join(set, "|")
}
