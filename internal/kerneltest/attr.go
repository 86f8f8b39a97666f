package kerneltest

import "encoding/binary"

// Attribute numbers of packets and verdicts, NFQA_*
// (include/uapi/linux/netfilter/nfnetlink_queue.h).
const (
	attrPacketHeader  = 1
	attrVerdictHeader = 2
	attrMark          = 3
	attrTimestamp     = 4
	attrIn            = 5
	attrOut           = 6
	attrPhysIn        = 7
	attrPhysOut       = 8
	attrHWAddr        = 9
	attrPayload       = 10
	attrConntrack     = 11
	attrConntrackInfo = 12
	attrCapLen        = 13
	attrSkbInfo       = 14
	attrExpect        = 15
	attrUID           = 16
	attrGID           = 17
	attrSecCtx        = 18
	attrVLAN          = 19
	attrLinkHeader    = 20
	attrPriority      = 21
	attrClassID       = 22
	attrMax           = 22

	attrVLANProtocol = 1 // NFQA_VLAN_PROTO
	attrVLANTCI      = 2 // NFQA_VLAN_TCI

	attrNested = 0x8000 // NLA_F_NESTED
	attrType   = 0x3fff // NLA_TYPE_MASK

	attrHeaderLen = 4
)

// Attribute numbers of the configuration message, NFQA_CFG_*.
const (
	configCommand   = 1
	configParams    = 2
	configMaxLength = 3
	configMask      = 4
	configFlags     = 5
	configMax       = 5
)

var (
	native  = binary.NativeEndian // of netlink and attribute headers
	network = binary.BigEndian    // of what is in nfnetlink_queue's attributes
)

// A policy contains the minimum lengths of attributes, indexed by number. A negative
// number is the minimum length of a nest, which may also be empty.
type policy map[uint16]int

func (p policy) allows(kind uint16, length int) bool {
	least := p[kind]
	return length >= least && (least >= 0 || length == 0 || length >= -least)
}

// The policies of nfnetlink_queue.c.
var (
	verdictPolicy = policy{attrVerdictHeader: 8, attrMark: 4, attrVLAN: -attrHeaderLen, attrPriority: 4}
	batchPolicy   = policy{attrVerdictHeader: 8, attrMark: 4, attrPriority: 4}
	configPolicy  = policy{configCommand: 4, configParams: 5, configMaxLength: 4, configMask: 4, configFlags: 4}
	ctPolicy      = policy{ctStatus: 4, ctTimeout: 4, ctMark: 4, ctMarkMask: 4}
	vlanPolicy    = policy{attrVLANProtocol: 2, attrVLANTCI: 2}
)

// attributes contains the payloads of the attributes of a message or a connection
// tracking entry, indexed by number. nil means that the attribute is absent.
type attributes [max(attrMax, ctMax) + 1][]byte

// parseAttributes parses attributes with numbers up to limit, as lib/nlattr.c does
// without strict checking. It skips unknown attributes; the last of several counts;
// and bytes that are not an attribute end the parsing without an error.
func parseAttributes(b []byte, limit uint16, p policy) (a attributes, errno Errno) {
	for len(b) >= attrHeaderLen {
		n := int(native.Uint16(b))
		if n < attrHeaderLen || n > len(b) {
			break
		}
		kind, data := native.Uint16(b[2:])&attrType, b[attrHeaderLen:n:n]
		if kind > 0 && kind <= limit {
			if !p.allows(kind, len(data)) {
				return a, errRange
			}
			a[kind] = data
		}
		b = b[min(align(n), len(b)):]
	}
	return a, 0
}

// appendAttribute appends one attribute, padded.
func appendAttribute(b []byte, kind uint16, data ...byte) []byte {
	return pad(appendUnpadded(b, kind, data))
}

func appendUnpadded(b []byte, kind uint16, data []byte) []byte {
	b = native.AppendUint16(b, uint16(attrHeaderLen+len(data)))
	b = native.AppendUint16(b, kind)
	return append(b, data...)
}

func appendUint32(b []byte, kind uint16, v uint32) []byte {
	return appendAttribute(b, kind, network.AppendUint32(nil, v)...)
}

// appendNonzero appends v unless it is 0.
func appendNonzero(b []byte, kind uint16, v uint32) []byte {
	if v == 0 {
		return b
	}
	return appendUint32(b, kind, v)
}

// appendPresent appends data unless it is nil.
func appendPresent(b []byte, kind uint16, data []byte) []byte {
	if data == nil {
		return b
	}
	return appendAttribute(b, kind, data...)
}
