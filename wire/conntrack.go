package wire

import (
	"bytes"
	"encoding/binary"
	"net/netip"
)

// The attributes of a connection tracking entry that this package uses (enum
// ctattr_type in linux/netfilter/nfnetlink_conntrack.h).
const (
	ctaTupleOrig  = 1
	ctaTupleReply = 2
	ctaStatus     = 3
	ctaHelp       = 5
	ctaTimeout    = 7
	ctaMark       = 8
	ctaID         = 12
	ctaZone       = 18
	ctaMarkMask   = 21
	ctaLabels     = 22
	ctaLabelsMask = 23
)

// Attributes inside ctaTupleOrig and ctaTupleReply (enum ctattr_tuple).
const (
	ctaTupleIP    = 1
	ctaTupleProto = 2
	ctaTupleZone  = 3
)

// Attributes inside ctaTupleIP (enum ctattr_ip).
const (
	ctaIPv4Src = 1
	ctaIPv4Dst = 2
	ctaIPv6Src = 3
	ctaIPv6Dst = 4
)

// Attributes inside ctaTupleProto (enum ctattr_l4proto).
const (
	ctaProtoNum        = 1
	ctaProtoSrcPort    = 2
	ctaProtoDstPort    = 3
	ctaProtoICMPID     = 4
	ctaProtoICMPType   = 5
	ctaProtoICMPCode   = 6
	ctaProtoICMPv6ID   = 7
	ctaProtoICMPv6Type = 8
	ctaProtoICMPv6Code = 9
)

// ctaHelpName is inside ctaHelp (enum ctattr_help).
const ctaHelpName = 1

const conntrackName = "conntrack entry"

// The attributes of each level, with their minimum lengths in bytes.
var (
	ctaLevel = level{
		names: []string{
			ctaTupleOrig: "CTA_TUPLE_ORIG", ctaTupleReply: "CTA_TUPLE_REPLY", ctaStatus: "CTA_STATUS",
			ctaHelp: "CTA_HELP", ctaTimeout: "CTA_TIMEOUT", ctaMark: "CTA_MARK", ctaID: "CTA_ID",
			ctaZone: "CTA_ZONE", ctaLabels: "CTA_LABELS",
		},
		sizes: attrSizes{ctaStatus: 4, ctaTimeout: 4, ctaMark: 4, ctaID: 4, ctaZone: 2},
	}
	ctaTupleLevel = level{
		names: []string{ctaTupleIP: "CTA_TUPLE_IP", ctaTupleProto: "CTA_TUPLE_PROTO", ctaTupleZone: "CTA_TUPLE_ZONE"},
		sizes: attrSizes{ctaTupleZone: 2},
	}
	ctaIPLevel = level{
		names: []string{
			ctaIPv4Src: "CTA_IP_V4_SRC", ctaIPv4Dst: "CTA_IP_V4_DST",
			ctaIPv6Src: "CTA_IP_V6_SRC", ctaIPv6Dst: "CTA_IP_V6_DST",
		},
		sizes: attrSizes{ctaIPv4Src: 4, ctaIPv4Dst: 4, ctaIPv6Src: 16, ctaIPv6Dst: 16},
	}
	ctaProtoLevel = level{
		names: []string{
			ctaProtoNum: "CTA_PROTO_NUM", ctaProtoSrcPort: "CTA_PROTO_SRC_PORT", ctaProtoDstPort: "CTA_PROTO_DST_PORT",
			ctaProtoICMPID: "CTA_PROTO_ICMP_ID", ctaProtoICMPType: "CTA_PROTO_ICMP_TYPE", ctaProtoICMPCode: "CTA_PROTO_ICMP_CODE",
			ctaProtoICMPv6ID: "CTA_PROTO_ICMPV6_ID", ctaProtoICMPv6Type: "CTA_PROTO_ICMPV6_TYPE", ctaProtoICMPv6Code: "CTA_PROTO_ICMPV6_CODE",
		},
		sizes: attrSizes{
			ctaProtoNum: 1, ctaProtoSrcPort: 2, ctaProtoDstPort: 2,
			ctaProtoICMPID: 2, ctaProtoICMPType: 1, ctaProtoICMPCode: 1,
			ctaProtoICMPv6ID: 2, ctaProtoICMPv6Type: 1, ctaProtoICMPv6Code: 1,
		},
	}
	ctaHelpLevel = level{names: []string{ctaHelpName: "CTA_HELP_NAME"}}
)

// CTFields is the set of attributes in a connection tracking entry: bit 1<<n
// for attribute n (CTA_*).
type CTFields uint32

// The bits of CTFields for attributes that the kernel does not always send, each
// with the field of Conntrack that it covers.
const (
	CTHasHelper  CTFields = 1 << ctaHelp    // Helper; sent if there is one
	CTHasTimeout CTFields = 1 << ctaTimeout // Timeout
	CTHasMark    CTFields = 1 << ctaMark    // Mark; not sent by kernels without CONFIG_NF_CONNTRACK_MARK
	CTHasID      CTFields = 1 << ctaID      // ID
	CTHasZone    CTFields = 1 << ctaZone    // Zone; sent if not 0
	CTHasLabels  CTFields = 1 << ctaLabels  // Labels (Linux 3.9); sent if one is set
)

// String returns the kernel's names of the attributes, joined by "|".
func (f CTFields) String() string { return bitNames(uint32(f), ctaLevel.names...) }

// A Conntrack is a connection tracking entry, decoded from NFQPacket.Conntrack. A
// field whose bit in Has is not set is zero. All integers are in host byte order.
type Conntrack struct {
	// Original has the addresses of the first packet of the connection. Reply
	// has those of packets in the other direction. If addresses are
	// translated, Reply is not simply Original reversed.
	Original, Reply CTTuple

	Has    CTFields
	Status CTStatus
	Mark   uint32

	// ID distinguishes successive entries with the same tuples.
	ID uint32

	// Timeout is the time in seconds after which the entry is removed if no
	// packet arrives.
	Timeout uint32

	// Zone is the zone of both directions (Linux 2.6.34).
	Zone uint16

	Labels CTLabels

	// Helper is the name of the helper module. It aliases the input.
	Helper []byte
}

// A CTTuple is one direction of a connection.
type CTTuple struct {
	// Source and Destination have port 0 if the protocol has no ports. An
	// address that the entry did not contain is the invalid netip.Addr.
	Source, Destination netip.AddrPort

	Protocol uint8 // IP protocol number

	// ICMPType, ICMPCode and ICMPID are set for ICMP and ICMPv6 only.
	ICMPType, ICMPCode uint8
	ICMPID             uint16

	// Zone is the zone of this direction only (Linux 4.3).
	Zone uint16
}

// Parse sets every field of c from encoded attributes, such as
// NFQPacket.Conntrack. It skips unknown attributes, and bytes at the end of an
// attribute that its type does not use. If an attribute occurs twice, the last
// one counts, as in the kernel.
//
// Parse fails with ErrTruncated if attrs ends inside an attribute, and with
// ErrLength if an attribute is shorter than its header or than its type requires.
// It fails with ErrMissing if a tuple or the status is missing: the kernel always
// sends them (net/netfilter/nf_conntrack_netlink.c, __ctnetlink_glue_build). On an
// error, c contains the attributes before the error.
func (c *Conntrack) Parse(attrs []byte) error {
	*c = Conntrack{}
	n := nest{level: &ctaLevel, rest: attrs, end: len(attrs)}
	for n.next() {
		c.set(&n)
	}
	if n.err != nil {
		return n.err
	}
	for typ := ctaTupleOrig; typ <= ctaStatus; typ++ {
		if c.Has&(1<<typ) == 0 {
			return &Error{Message: conntrackName, What: ctaLevel.names[typ], Offset: len(attrs), Want: int(ctaLevel.sizes[typ]), Err: ErrMissing}
		}
	}
	return nil
}

// set decodes the current attribute of n.
func (c *Conntrack) set(n *nest) {
	switch n.typ {
	case ctaTupleOrig:
		c.Original = parseTuple(n)
	case ctaTupleReply:
		c.Reply = parseTuple(n)
	case ctaStatus:
		c.Status = CTStatus(binary.BigEndian.Uint32(n.data))
	case ctaHelp:
		c.Helper = parseHelper(n)
	case ctaTimeout:
		c.Timeout = binary.BigEndian.Uint32(n.data)
	case ctaMark:
		c.Mark = binary.BigEndian.Uint32(n.data)
	case ctaID:
		c.ID = binary.BigEndian.Uint32(n.data)
	case ctaZone:
		c.Zone = binary.BigEndian.Uint16(n.data)
	case ctaLabels:
		c.Labels = ParseCTLabels(n.data)
	default:
		return
	}
	c.Has |= 1 << n.typ
}

func parseTuple(outer *nest) (t CTTuple) {
	n := outer.enter(&ctaTupleLevel)
	for n.next() {
		switch n.typ {
		case ctaTupleIP:
			t.setAddrs(&n)
		case ctaTupleProto:
			t.setProto(&n)
		case ctaTupleZone:
			t.Zone = binary.BigEndian.Uint16(n.data)
		}
	}
	outer.err = n.err
	return t
}

func (t *CTTuple) setAddrs(outer *nest) {
	n := outer.enter(&ctaIPLevel)
	for n.next() {
		switch n.typ {
		case ctaIPv4Src:
			t.Source = withAddr(t.Source, netip.AddrFrom4([4]byte(n.data)))
		case ctaIPv4Dst:
			t.Destination = withAddr(t.Destination, netip.AddrFrom4([4]byte(n.data)))
		case ctaIPv6Src:
			t.Source = withAddr(t.Source, netip.AddrFrom16([16]byte(n.data)))
		case ctaIPv6Dst:
			t.Destination = withAddr(t.Destination, netip.AddrFrom16([16]byte(n.data)))
		}
	}
	outer.err = n.err
}

func (t *CTTuple) setProto(outer *nest) {
	n := outer.enter(&ctaProtoLevel)
	for n.next() {
		switch n.typ {
		case ctaProtoNum:
			t.Protocol = n.data[0]
		case ctaProtoSrcPort:
			t.Source = netip.AddrPortFrom(t.Source.Addr(), binary.BigEndian.Uint16(n.data))
		case ctaProtoDstPort:
			t.Destination = netip.AddrPortFrom(t.Destination.Addr(), binary.BigEndian.Uint16(n.data))
		case ctaProtoICMPID, ctaProtoICMPv6ID:
			t.ICMPID = binary.BigEndian.Uint16(n.data)
		case ctaProtoICMPType, ctaProtoICMPv6Type:
			t.ICMPType = n.data[0]
		case ctaProtoICMPCode, ctaProtoICMPv6Code:
			t.ICMPCode = n.data[0]
		}
	}
	outer.err = n.err
}

func withAddr(p netip.AddrPort, a netip.Addr) netip.AddrPort { return netip.AddrPortFrom(a, p.Port()) }

// parseHelper returns the name of the helper, without the NUL at its end.
func parseHelper(outer *nest) (name []byte) {
	n := outer.enter(&ctaHelpLevel)
	for n.next() {
		if n.typ == ctaHelpName {
			name = n.data
		}
	}
	outer.err = n.err
	if i := bytes.IndexByte(name, 0); i >= 0 {
		return name[:i:i]
	}
	return name
}

// A level describes the attributes of one level of nesting: the names of those
// that this package uses, and their minimum lengths, both indexed by type.
type level struct {
	names []string
	sizes attrSizes
}

// A nest is an iterator over the attributes of one level of a connection
// tracking entry. Attributes of the inner levels are nested in others.
type nest struct {
	level *level
	rest  []byte // the attributes not visited yet
	end   int    // offset of the end of rest

	// The current attribute.
	typ  uint16
	at   int // offset of data
	data []byte

	err error // why next returned false, nil at the end
}

// next advances to the next attribute and reports whether there is one.
func (n *nest) next() bool {
	if n.err != nil || len(n.rest) == 0 {
		return false
	}
	at := n.end - len(n.rest)
	typ, size, ok := attrHeader(n.rest)
	if !ok {
		n.err = framingError(conntrackName, at, n.rest)
		return false
	}
	n.typ, n.at, n.data = typ, at+attrHeaderLen, n.rest[attrHeaderLen:size:size]
	n.rest = afterAttr(n.rest, size)
	if int(typ) < len(n.level.names) && len(n.data) < int(n.level.sizes[typ]) {
		n.err = &Error{Message: conntrackName, What: n.level.names[typ], Offset: at, Want: int(n.level.sizes[typ]), Got: len(n.data), Err: ErrLength}
		return false
	}
	return true
}

// enter returns an iterator over the attributes inside the current one.
func (n *nest) enter(l *level) nest {
	return nest{level: l, rest: n.data, end: n.at + len(n.data)}
}
