package wire

import (
	"cmp"
	"encoding/binary"
)

// NFQFields is the set of attributes in a packet message: bit 1<<n for
// attribute n.
type NFQFields uint32

// The bits of NFQFields, each with the fields of NFQPacket that it covers, and
// the first Linux version, if later than 2.6.14, and condition for which the
// kernel sends the attribute.
const (
	HasPacketHeader NFQFields = 1 << nfqaPacketHdr         // ID, HWProtocol, Hook
	HasMark         NFQFields = 1 << nfqaMark              // Mark; sent if not 0
	HasTimestamp    NFQFields = 1 << nfqaTimestamp         // TimeSec, TimeUsec
	HasInDev        NFQFields = 1 << nfqaIfindexInDev      // InDev
	HasOutDev       NFQFields = 1 << nfqaIfindexOutDev     // OutDev
	HasPhysInDev    NFQFields = 1 << nfqaIfindexPhysInDev  // PhysInDev
	HasPhysOutDev   NFQFields = 1 << nfqaIfindexPhysOutDev // PhysOutDev
	HasHWAddr       NFQFields = 1 << nfqaHWAddr            // HWAddr, HWAddrLen
	HasPayload      NFQFields = 1 << nfqaPayload           // Payload; sent in mode CopyPacket
	HasConntrack    NFQFields = 1 << nfqaCT                // Conntrack (3.6); sent with ConfigConntrack
	HasCTInfo       NFQFields = 1 << nfqaCTInfo            // CTInfo (3.6)
	HasCapLen       NFQFields = 1 << nfqaCapLen            // CapLen (3.6); sent if Payload was cut
	HasSKBInfo      NFQFields = 1 << nfqaSKBInfo           // SKBInfo (3.10); sent if not 0
	HasUID          NFQFields = 1 << nfqaUID               // UID (3.14); sent with ConfigUIDGID
	HasGID          NFQFields = 1 << nfqaGID               // GID (3.14); sent with ConfigUIDGID
	HasSecCtx       NFQFields = 1 << nfqaSecCtx            // SecCtx (4.3); sent with ConfigSecCtx
	HasVLAN         NFQFields = 1 << nfqaVLAN              // VLANProto, VLANTCI (4.7); family bridge
	HasLinkHeader   NFQFields = 1 << nfqaL2Hdr             // LinkHeader (4.7); family bridge
	HasPriority     NFQFields = 1 << nfqaPriority          // Priority (5.18); sent if not 0
	HasClassID      NFQFields = 1 << nfqaCgroupClassID     // ClassID (6.4); sent if not 0
)

// String returns the kernel's names of the attributes, joined by "|".
func (f NFQFields) String() string {
	return bitNames(uint32(f), nfqaNames[:]...)
}

// An NFQPacket is a packet queued by nfnetlink_queue, together with the metadata
// that the kernel sends. A field whose bit in Has is not set is zero. All
// integers are in host byte order. All slices alias the message.
type NFQPacket struct {
	// Payload is the packet, starting at its network header. The copy mode
	// and the range of the queue limit its length.
	Payload []byte

	// Conntrack contains the encoded attributes (CTA_*) of the connection
	// tracking entry. The method Parse of type Conntrack decodes them.
	Conntrack []byte

	// SecCtx is the name of the security context of the local socket, in the
	// form that the security module uses.
	SecCtx []byte

	// LinkHeader is the complete link-layer header of a bridged packet.
	LinkHeader []byte

	// Has is the set of attributes that the message contained.
	Has NFQFields

	// ID identifies the packet in its verdict. A queue numbers its packets
	// from 1; the number after the largest is 0. A gap means that packets
	// could not be delivered to the socket.
	ID uint32

	// Queue is the number of the queue.
	Queue uint16

	// HWProtocol is the EtherType.
	HWProtocol uint16

	// Family is the protocol family of the hook: 2 for IPv4, 10 for IPv6, 7
	// for a bridge, 3 for ARP.
	Family uint8

	Hook Hook

	// HWAddr[:HWAddrLen] is the link-layer address of the sender. HWAddrLen
	// is at most 8, and at most the number of address bytes in the message,
	// even if the message contains a larger value.
	HWAddrLen uint8
	HWAddr    [8]byte

	Mark uint32

	// InDev and OutDev are interface indexes. For a bridged packet they are
	// indexes of bridges, and PhysInDev and PhysOutDev those of the ports.
	InDev, OutDev         uint32
	PhysInDev, PhysOutDev uint32

	// UID and GID are the owner of the local socket, as ids of the initial
	// user namespace.
	UID, GID uint32

	Priority uint32
	ClassID  uint32 // net_cls (cgroup v1) id of the local socket

	// CapLen is the length of the whole packet in bytes if Payload is only
	// its beginning.
	CapLen uint32

	SKBInfo SKBInfo
	CTInfo  CTInfo

	// VLANProto is the EtherType of the VLAN tag (0x8100 or 0x88a8). VLANTCI
	// contains its priority, drop eligibility and VLAN id.
	VLANProto, VLANTCI uint16

	// TimeSec and TimeUsec are the time of arrival: seconds since 1970, and
	// microseconds. The kernel sends them if another program on the machine
	// has turned on time stamps.
	TimeSec, TimeUsec uint64
}

const nfqPacketName = "nfqueue packet"

// nfqPacketSizes contains the minimum lengths of the attributes of a packet.
var nfqPacketSizes = attrSizes{
	nfqaPacketHdr:         7,
	nfqaMark:              4,
	nfqaTimestamp:         16,
	nfqaIfindexInDev:      4,
	nfqaIfindexOutDev:     4,
	nfqaIfindexPhysInDev:  4,
	nfqaIfindexPhysOutDev: 4,
	nfqaHWAddr:            4, // without the address, which may be shorter than 8 bytes
	nfqaCTInfo:            4,
	nfqaCapLen:            4,
	nfqaSKBInfo:           4,
	nfqaUID:               4,
	nfqaGID:               4,
	nfqaPriority:          4,
	nfqaCgroupClassID:     4,
}

// Parse sets every field of p from the body of a message of type NFQPacketType.
// It skips unknown attributes, and bytes at the end of an attribute that its type
// does not use. If an attribute occurs twice, the last one counts, as in the
// kernel.
//
// Parse fails with ErrTruncated if body ends inside an attribute or the fixed
// part, with ErrLength if an attribute is shorter than its header or than its
// type requires, and with ErrMissing if there is no packet header. It skips an
// attribute that is shorter than its type requires, decodes the rest, and returns
// the error for the first such attribute. After an error, p contains everything
// that could be read: if p.Has includes HasPacketHeader, the caller can send a
// verdict.
func (p *NFQPacket) Parse(body []byte) error {
	*p = NFQPacket{}
	if len(body) < nfgenLen {
		return nfgenError(nfqPacketName, body)
	}
	p.Family = body[0]
	p.Queue = binary.BigEndian.Uint16(body[2:])
	has, bad := p.parseAttrs(body)
	p.Has = has
	if bad == nil && has&HasPacketHeader == 0 {
		bad = missingAttr(nfqPacketName, nfqaPacketHdr, 7, len(body))
	}
	if bad != nil {
		return bad
	}
	return nil
}

// parseAttrs decodes the attributes of the message. It is one function because
// it runs for every packet, where calls are costly.
//
//	struct nfqnl_msg_packet_hdr {
//		__be32 packet_id;
//		__be16 hw_protocol;
//		__u8   hook;
//	} __attribute__ ((packed));
//
//	struct nfqnl_msg_packet_timestamp {
//		__aligned_be64 sec;
//		__aligned_be64 usec;
//	};
func (p *NFQPacket) parseAttrs(body []byte) (has NFQFields, bad *Error) {
	size := 0
	for at := nfgenLen; at < len(body); at += alignAttr(size) {
		typ, n, ok := attrHeader(body[at:])
		if !ok {
			return has, cmp.Or(bad, framingError(nfqPacketName, at, body[at:]))
		}
		size = n
		data := body[at+attrHeaderLen : at+n : at+n]
		if int(typ) >= len(nfqPacketSizes) {
			continue
		}
		if want := int(nfqPacketSizes[typ]); len(data) < want {
			bad = cmp.Or(bad, shortAttr(nfqPacketName, typ, at, want, len(data)))
			continue
		}
		switch typ {
		case nfqaPacketHdr:
			p.ID = binary.BigEndian.Uint32(data)
			p.HWProtocol = binary.BigEndian.Uint16(data[4:])
			p.Hook = Hook(data[6])
		case nfqaMark:
			p.Mark = binary.BigEndian.Uint32(data)
		case nfqaTimestamp:
			p.TimeSec = binary.BigEndian.Uint64(data)
			p.TimeUsec = binary.BigEndian.Uint64(data[8:])
		case nfqaIfindexInDev:
			p.InDev = binary.BigEndian.Uint32(data)
		case nfqaIfindexOutDev:
			p.OutDev = binary.BigEndian.Uint32(data)
		case nfqaIfindexPhysInDev:
			p.PhysInDev = binary.BigEndian.Uint32(data)
		case nfqaIfindexPhysOutDev:
			p.PhysOutDev = binary.BigEndian.Uint32(data)
		case nfqaHWAddr:
			p.setHWAddr(data)
		case nfqaPayload:
			p.Payload = data
		case nfqaCT:
			p.Conntrack = data
		case nfqaCTInfo:
			p.CTInfo = CTInfo(binary.BigEndian.Uint32(data))
		case nfqaCapLen:
			p.CapLen = binary.BigEndian.Uint32(data)
		case nfqaSKBInfo:
			p.SKBInfo = SKBInfo(binary.BigEndian.Uint32(data))
		case nfqaUID:
			p.UID = binary.BigEndian.Uint32(data)
		case nfqaGID:
			p.GID = binary.BigEndian.Uint32(data)
		case nfqaSecCtx:
			p.SecCtx = data
		case nfqaVLAN:
			var e *Error
			if p.VLANProto, p.VLANTCI, e = parseVLAN(nfqPacketName, at, data); e != nil {
				bad = cmp.Or(bad, e)
				continue
			}
		case nfqaL2Hdr:
			p.LinkHeader = data
		case nfqaPriority:
			p.Priority = binary.BigEndian.Uint32(data)
		case nfqaCgroupClassID:
			p.ClassID = binary.BigEndian.Uint32(data)
		default: // unknown, or for verdicts only
			continue
		}
		has |= 1 << typ
	}
	return has, bad
}

// setHWAddr decodes the address of the sender. The kernel always sends all 12
// bytes.
//
//	struct nfqnl_msg_packet_hw {
//		__be16 hw_addrlen;
//		__u16  _pad;
//		__u8   hw_addr[8];
//	};
func (p *NFQPacket) setHWAddr(data []byte) {
	p.HWAddr = [8]byte{}
	n := copy(p.HWAddr[:], data[4:])
	p.HWAddrLen = uint8(min(int(binary.BigEndian.Uint16(data)), n))
}
