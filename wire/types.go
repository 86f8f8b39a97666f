package wire

import (
	"strconv"
	"strings"
)

// A Verdict is the 32-bit word that decides a packet. Bits 0 to 7 are the action.
// With VerdictQueue, bits 16 to 31 are a queue number, and bit 15 lets the packet
// pass if no program owns that queue (see [QueueVerdict]). With any other action,
// bits 8 to 31 must be zero: nfnetlink_queue compares some verdicts as whole
// words, so that it accepts 0x10001 without an error and skips the remaining
// hooks (net/netfilter/nfnetlink_queue.c). ip_queue supports no queue number.
type Verdict uint32

// The verdicts, as in the kernel's include/uapi/linux/netfilter.h.
const (
	VerdictDrop   Verdict = 0 // free the packet
	VerdictAccept Verdict = 1 // continue with the next hook function
	VerdictStolen Verdict = 2 // never send this: the kernel refuses it, and before Linux 3.4 leaks the packet
	VerdictQueue  Verdict = 3 // pass the packet to the queue with the number in bits 16 to 31
	VerdictRepeat Verdict = 4 // call the same hook function again
	VerdictStop   Verdict = 5 // accept, and skip the remaining hook functions
)

const verdictBypass Verdict = 0x8000 // NF_VERDICT_FLAG_QUEUE_BYPASS

// QueueVerdict returns the verdict that passes a packet to queue num. If no
// program owns that queue, the kernel drops the packet or, with bypass, accepts
// it.
func QueueVerdict(num uint16, bypass bool) Verdict {
	v := VerdictQueue | Verdict(num)<<16
	if bypass {
		v |= verdictBypass
	}
	return v
}

// valid reports whether nfnetlink_queue accepts v and interprets it correctly: v
// is a known verdict other than VerdictStolen, and the bits that must be zero
// are zero.
func (v Verdict) valid() bool {
	if v&0xff == VerdictQueue {
		return v&0x7f00 == 0
	}
	return v <= VerdictStop && v != VerdictStolen
}

// word returns v as it is sent: it clears the bits that must be zero, so that
// none of them makes the kernel skip a hook function.
func (v Verdict) word() uint32 {
	if v&0xff == VerdictQueue {
		return uint32(v &^ 0x7f00)
	}
	return uint32(v & 0xff)
}

// String returns the name of the verdict in lower case. For VerdictQueue it
// includes the queue number, for example "queue 7 bypass".
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

// A CopyMode selects how much of each packet the kernel sends to the program.
// ip_queue and nfnetlink_queue use the same numbers. nfnetlink_queue ignores
// other values and reports no error.
type CopyMode uint8

// The copy modes.
const (
	CopyNone   CopyMode = 0 // nothing; the kernel drops new packets
	CopyMeta   CopyMode = 1 // the metadata, without bytes of the packet
	CopyPacket CopyMode = 2 // the metadata and the first bytes of the packet, up to the range
)

// String returns "none", "meta" or "packet".
func (m CopyMode) String() string {
	return name("CopyMode", uint32(m), "none", "meta", "packet")
}

// A Hook is the point on a packet's way through the kernel where it was queued.
// The numbers are those of IPv4 and IPv6 (NF_INET_*).
type Hook uint8

// The hooks.
const (
	HookPrerouting  Hook = 0 // received, before routing
	HookInput       Hook = 1 // addressed to this machine
	HookForward     Hook = 2 // routed from one interface to another
	HookOutput      Hook = 3 // sent by this machine
	HookPostrouting Hook = 4 // about to leave, after routing
)

// String returns the name of the hook in rule sets, for example "forward".
func (h Hook) String() string {
	return name("Hook", uint32(h), "prerouting", "input", "forward", "output", "postrouting")
}

// SKBInfo describes the state of a packet's checksum and its size
// (NFQA_SKB_INFO). The zero value means that the checksum is complete, and
// verified if the packet was received.
type SKBInfo uint32

// The bits of SKBInfo.
const (
	// The checksum is not wrong: the kernel or the device completes it later
	// (Linux 3.10).
	SKBChecksumNotReady SKBInfo = 0x1
	// The packet is larger than the MTU; the kernel or the device splits it
	// later (Linux 3.10).
	SKBGSO SKBInfo = 0x2
	// The checksum was not verified yet (Linux 3.11).
	SKBChecksumNotVerified SKBInfo = 0x4
)

// String returns the names of the bits joined by "|", or "0" if there are none.
func (i SKBInfo) String() string {
	return bitNames(uint32(i), "checksum-not-ready", "gso", "checksum-not-verified")
}

// ConfigFlags are options of one queue (NFQA_CFG_FLAGS). A kernel refuses flags
// that it does not support with EOPNOTSUPP or EINVAL.
type ConfigFlags uint32

// The bits of ConfigFlags.
const (
	ConfigFailOpen  ConfigFlags = 0x01 // accept packets if queue or socket is full (Linux 3.6)
	ConfigConntrack ConfigFlags = 0x02 // send the connection tracking entry (Linux 3.6)
	ConfigGSO       ConfigFlags = 0x04 // send large packets unsplit, and incomplete checksums (Linux 3.10)
	ConfigUIDGID    ConfigFlags = 0x08 // send the user and group of the local socket (Linux 3.14)
	ConfigSecCtx    ConfigFlags = 0x10 // send the security context of the local socket (Linux 4.3)
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
	CTEstablished      CTInfo = 0 // the connection has had packets in both directions
	CTRelated          CTInfo = 1 // the packet starts a connection related to another, or is an ICMP error
	CTNew              CTInfo = 2 // the connection has had packets in one direction only
	CTEstablishedReply CTInfo = 3 // like CTEstablished, in the reply direction
	CTRelatedReply     CTInfo = 4 // like CTRelated, in the reply direction
)

// String returns "established", "related" or "new", with "-reply" added for the
// reply direction.
func (i CTInfo) String() string {
	return name("CTInfo", uint32(i), "established", "related", "new", "established-reply", "related-reply", "new-reply")
}

// CTStatus is the state of a connection tracking entry (CTA_STATUS, enum
// ip_conntrack_status).
type CTStatus uint32

// The bits of CTStatus.
const (
	CTExpected     CTStatus = 1 << iota // belongs to another connection, whose helper expected it
	CTSeenReply                         // has had packets in both directions
	CTAssured                           // is not removed early when the table is full
	CTConfirmed                         // is in the table: its first packet has left
	CTSrcNAT                            // its source addresses are translated
	CTDstNAT                            // its destination addresses are translated
	CTSeqAdjust                         // its TCP sequence numbers are adjusted
	CTSrcNATDone                        // source translation has been decided
	CTDstNATDone                        // destination translation has been decided
	CTDying                             // is about to be freed
	CTFixedTimeout                      // packets do not extend its timeout
	CTTemplate                          // is a template, not a connection
	CTUntracked                         // is not tracked (before Linux 4.12)
	CTHelper                            // a rule assigned its helper (Linux 3.5)
	CTOffload                           // is in a flow table (Linux 4.16)
	CTHWOffload                         // is handled by hardware (Linux 5.7)
)

// String returns the names of the bits joined by "|", or "0" if there are none.
func (s CTStatus) String() string {
	return bitNames(uint32(s), "expected", "seen-reply", "assured", "confirmed", "src-nat", "dst-nat", "seq-adjust",
		"src-nat-done", "dst-nat-done", "dying", "fixed-timeout", "template", "untracked", "helper", "offload", "hw-offload")
}

// name returns names[v], or a text such as "Hook(9)" if there is no such name.
func name(typ string, v uint32, names ...string) string {
	if uint64(v) < uint64(len(names)) {
		return names[v]
	}
	return typ + "(" + strconv.FormatUint(uint64(v), 10) + ")"
}

// bitNames joins the names of the bits set in v, where names[i] is the name of
// 1<<i. It adds bits without a name as one hexadecimal number.
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
