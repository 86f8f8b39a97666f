package wire

import (
	"encoding/binary"
	"math"
)

// Message types of nfnetlink_queue. The high byte is the nfnetlink subsystem, 3.
const (
	NFQPacketType       = 0x0300 // NFQNL_MSG_PACKET, from the kernel
	NFQVerdictType      = 0x0301 // NFQNL_MSG_VERDICT, to the kernel
	NFQConfigType       = 0x0302 // NFQNL_MSG_CONFIG, to the kernel
	NFQVerdictBatchType = 0x0303 // NFQNL_MSG_VERDICT_BATCH, to the kernel (Linux 3.1)
)

// NFQMaxPayload is the length in bytes of the longest packet that fits in a
// message, in either direction: the length field of an attribute has 16 bits.
// The kernel cuts a longer packet and sends its full length as CapLen.
const NFQMaxPayload = maxAttrData

// Attributes of packets and verdicts (enum nfqnl_attr_type).
const (
	nfqaPacketHdr         = 1
	nfqaVerdictHdr        = 2
	nfqaMark              = 3
	nfqaTimestamp         = 4
	nfqaIfindexInDev      = 5
	nfqaIfindexOutDev     = 6
	nfqaIfindexPhysInDev  = 7
	nfqaIfindexPhysOutDev = 8
	nfqaHWAddr            = 9
	nfqaPayload           = 10
	nfqaCT                = 11
	nfqaCTInfo            = 12
	nfqaCapLen            = 13
	nfqaSKBInfo           = 14
	nfqaExp               = 15
	nfqaUID               = 16
	nfqaGID               = 17
	nfqaSecCtx            = 18
	nfqaVLAN              = 19
	nfqaL2Hdr             = 20
	nfqaPriority          = 21
	nfqaCgroupClassID     = 22
)

// Attributes inside nfqaVLAN (enum nfqnl_vlan_attr).
const (
	nfqaVLANProto = 1
	nfqaVLANTCI   = 2
)

// nfqaNames contains the names of the attributes, indexed by type.
var nfqaNames = [...]string{
	nfqaPacketHdr:         "NFQA_PACKET_HDR",
	nfqaVerdictHdr:        "NFQA_VERDICT_HDR",
	nfqaMark:              "NFQA_MARK",
	nfqaTimestamp:         "NFQA_TIMESTAMP",
	nfqaIfindexInDev:      "NFQA_IFINDEX_INDEV",
	nfqaIfindexOutDev:     "NFQA_IFINDEX_OUTDEV",
	nfqaIfindexPhysInDev:  "NFQA_IFINDEX_PHYSINDEV",
	nfqaIfindexPhysOutDev: "NFQA_IFINDEX_PHYSOUTDEV",
	nfqaHWAddr:            "NFQA_HWADDR",
	nfqaPayload:           "NFQA_PAYLOAD",
	nfqaCT:                "NFQA_CT",
	nfqaCTInfo:            "NFQA_CT_INFO",
	nfqaCapLen:            "NFQA_CAP_LEN",
	nfqaSKBInfo:           "NFQA_SKB_INFO",
	nfqaExp:               "NFQA_EXP",
	nfqaUID:               "NFQA_UID",
	nfqaGID:               "NFQA_GID",
	nfqaSecCtx:            "NFQA_SECCTX",
	nfqaVLAN:              "NFQA_VLAN",
	nfqaL2Hdr:             "NFQA_L2HDR",
	nfqaPriority:          "NFQA_PRIORITY",
	nfqaCgroupClassID:     "NFQA_CGROUP_CLASSID",
}

// attrSizes contains the minimum length in bytes of each attribute, indexed by
// type. It is 0 if any length is valid or the attribute is ignored. With a power
// of 2 as its length the compiler can omit bounds checks.
type attrSizes [32]uint8

// nfgenLen is the size of struct nfgenmsg, which precedes the attributes:
//
//	struct nfgenmsg {
//		__u8   nfgen_family; // AF_*
//		__u8   version;      // 0
//		__be16 res_id;       // queue number
//	};
const nfgenLen = 4

// nfqHeadLen is the number of bytes before the attributes of every message: the
// netlink header and struct nfgenmsg.
const nfqHeadLen = HeaderLen + nfgenLen

// putNFQHead writes the netlink header and the nfgenmsg of a request for a
// queue. The caller sets the length later, with putLen.
func putNFQHead(m *[nfqHeadLen]byte, typ, flags uint16, seq, port uint32, queue uint16) {
	binary.NativeEndian.PutUint16(m[4:], typ)
	binary.NativeEndian.PutUint16(m[6:], flags|FlagRequest)
	binary.NativeEndian.PutUint32(m[8:], seq)
	binary.NativeEndian.PutUint32(m[12:], port)
	binary.NativeEndian.PutUint16(m[16:], 0) // nfgen_family AF_UNSPEC, version 0
	binary.BigEndian.PutUint16(m[18:], queue)
}

// putLen sets nlmsg_len of the message m to len(m).
func putLen(m []byte) {
	binary.NativeEndian.PutUint32(m, uint32(len(m)))
}

// nfgenError returns the error for a body that is shorter than struct nfgenmsg.
func nfgenError(message string, body []byte) *Error {
	return &Error{Message: message, What: "nfgenmsg", Want: nfgenLen, Got: len(body), Err: ErrTruncated}
}

// shortAttr returns the error for an attribute at offset that is shorter than
// its type requires.
func shortAttr(message string, typ uint16, offset, want, got int) *Error {
	return &Error{Message: message, What: nfqaNames[typ], Offset: offset, Want: want, Got: got, Err: ErrLength}
}

// missingAttr returns the error for a body of size bytes that lacks an
// attribute of want bytes.
func missingAttr(message string, typ, want, size int) *Error {
	return &Error{Message: message, What: nfqaNames[typ], Offset: size, Want: want, Err: ErrMissing}
}

// parseVLAN decodes the two members of the attribute NFQA_VLAN at offset. Both
// are required, in any order.
func parseVLAN(message string, offset int, data []byte) (proto, tci uint16, err *Error) {
	offset += attrHeaderLen
	if proto, err = vlanMember(message, offset, data, nfqaVLANProto, "NFQA_VLAN_PROTO"); err != nil {
		return 0, 0, err
	}
	if tci, err = vlanMember(message, offset, data, nfqaVLANTCI, "NFQA_VLAN_TCI"); err != nil {
		return 0, 0, err
	}
	return proto, tci, nil
}

// vlanMember returns the value of the last attribute of type member in data,
// which starts at offset.
func vlanMember(message string, offset int, data []byte, member uint16, name string) (v uint16, bad *Error) {
	found := false
	for b := data; len(b) > 0; {
		at := offset + len(data) - len(b)
		typ, n, ok := attrHeader(b)
		switch {
		case !ok:
			return 0, framingError(message, at, b)
		case typ == member && n < attrHeaderLen+2:
			return 0, &Error{Message: message, What: name, Offset: at, Want: 2, Got: n - attrHeaderLen, Err: ErrLength}
		case typ == member:
			v, found = binary.BigEndian.Uint16(b[attrHeaderLen:]), true
		}
		b = afterAttr(b, n)
	}
	if !found {
		return 0, &Error{Message: message, What: name, Offset: offset + len(data), Want: 2, Err: ErrMissing}
	}
	return v, nil
}

// clampInt converts n to an int, which may have 32 bits, for an Error.
func clampInt(n uint64) int { return int(min(n, math.MaxInt32)) }
