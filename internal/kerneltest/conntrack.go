package kerneltest

import (
	"encoding/binary"
	"net/netip"
	"strconv"
)

// Attribute numbers of connection tracking entries, CTA_*
// (include/uapi/linux/netfilter/nfnetlink_conntrack.h).
const (
	ctTupleOrig  = 1
	ctTupleReply = 2
	ctStatus     = 3
	ctHelp       = 5
	ctTimeout    = 7
	ctMark       = 8
	ctID         = 12
	ctZone       = 18
	ctMarkMask   = 21
	ctLabels     = 22
	ctLabelsMask = 23
	ctMax        = ctLabelsMask

	ctTupleIP    = 1 // CTA_TUPLE_IP
	ctTupleProto = 2 // CTA_TUPLE_PROTO
	ctTupleZone  = 3 // CTA_TUPLE_ZONE

	ctIPv4Src = 1 // CTA_IP_V4_SRC
	ctIPv6Src = 3 // CTA_IP_V6_SRC

	ctProtoNum    = 1 // CTA_PROTO_NUM
	ctProtoSrc    = 2 // CTA_PROTO_SRC_PORT
	ctProtoDst    = 3 // CTA_PROTO_DST_PORT
	ctProtoICMP   = 4 // CTA_PROTO_ICMP_ID, before type and code
	ctProtoICMPv6 = 7 // CTA_PROTO_ICMPV6_ID, before type and code

	ctHelpName = 1 // CTA_HELP_NAME
)

// A Conntrack is a connection tracking entry. Packets of one connection share it,
// so later packets show the changes made by verdicts on earlier ones. Once a packet
// with it has been injected, the kernel's lock guards it.
type Conntrack struct {
	Original, Reply Tuple
	Status          uint32 // IPS_*
	Timeout         uint32 // seconds
	Mark, ID        uint32
	Zone            uint16
	Helper          string

	// Label n is bit n%64 of Labels[n/64]. NoLabels means that the entry has
	// no room for labels.
	Labels   [2]uint64
	NoLabels bool
}

// A Tuple is one direction of a connection.
type Tuple struct {
	Source, Destination netip.AddrPort
	Protocol            uint8

	ICMPType, ICMPCode uint8
	ICMPID             uint16

	Zone uint16
}

// clone returns a copy of c, nil of nil.
func (c *Conntrack) clone() *Conntrack {
	if c == nil {
		return nil
	}
	copied := *c
	return &copied
}

// append appends the entry's attributes in the kernel's order
// (nf_conntrack_netlink.c, __ctnetlink_glue_build).
func (c *Conntrack) append(b []byte) []byte {
	b = appendAttribute(b, ctTupleOrig|attrNested, c.Original.append(nil)...)
	b = appendAttribute(b, ctTupleReply|attrNested, c.Reply.append(nil)...)
	b = appendNonzero16(b, ctZone, c.Zone)
	b = appendUint32(b, ctID, c.ID)
	b = appendUint32(b, ctStatus, c.Status)
	b = appendUint32(b, ctTimeout, c.Timeout)
	if c.Helper != "" {
		b = appendAttribute(b, ctHelp|attrNested, appendAttribute(nil, ctHelpName, append([]byte(c.Helper), 0)...)...)
	}
	b = appendUint32(b, ctMark, c.Mark)
	if c.Labels != [2]uint64{} {
		b = appendAttribute(b, ctLabels, labelBytes(c.Labels)...)
	}
	return b
}

func (t *Tuple) append(b []byte) []byte {
	b = appendAttribute(b, ctTupleIP|attrNested, t.appendIP(nil)...)
	b = appendAttribute(b, ctTupleProto|attrNested, t.appendProto(nil)...)
	return appendNonzero16(b, ctTupleZone, t.Zone)
}

// appendIP appends addresses unless there are none.
func (t *Tuple) appendIP(b []byte) []byte {
	if !t.Source.IsValid() {
		return b
	}
	kind := uint16(ctIPv4Src)
	if t.Source.Addr().Is6() {
		kind = ctIPv6Src
	}
	b = appendAttribute(b, kind, t.Source.Addr().AsSlice()...)
	return appendAttribute(b, kind+1, t.Destination.Addr().AsSlice()...)
}

func (t *Tuple) appendProto(b []byte) []byte {
	b = appendAttribute(b, ctProtoNum, t.Protocol)
	kind := uint16(ctProtoICMP)
	switch t.Protocol {
	case protocolICMPv6:
		kind = ctProtoICMPv6
		fallthrough
	case protocolICMP:
		b = appendAttribute(b, kind, network.AppendUint16(nil, t.ICMPID)...)
		b = appendAttribute(b, kind+1, t.ICMPType)
		return appendAttribute(b, kind+2, t.ICMPCode)
	}
	b = appendAttribute(b, ctProtoSrc, network.AppendUint16(nil, t.Source.Port())...)
	return appendAttribute(b, ctProtoDst, network.AppendUint16(nil, t.Destination.Port())...)
}

const (
	protocolICMP   = 1
	protocolICMPv6 = 58
)

func appendNonzero16(b []byte, kind, v uint16) []byte {
	if v == 0 {
		return b
	}
	return appendAttribute(b, kind, network.AppendUint16(nil, v)...)
}

// labelBytes converts labels to the form in the kernel's memory: an array of
// unsigned long (struct nf_conn_labels).
func labelBytes(l [2]uint64) []byte {
	b := make([]byte, 16)
	for n := range 128 {
		if l[n/64]>>(n%64)&1 != 0 {
			b[labelByte(n)] |= 1 << (n % 8)
		}
	}
	return b
}

// labelWords is the inverse of labelBytes.
func labelWords(b []byte) (l [2]uint64) {
	for n := range 128 {
		l[n/64] |= uint64(b[labelByte(n)]>>(n%8)&1) << (n % 64)
	}
	return l
}

// labelByte returns the index of the byte that contains label n.
func labelByte(n int) int {
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 { // big-endian
		return n/8 ^ (strconv.IntSize/8 - 1)
	}
	return n / 8
}
