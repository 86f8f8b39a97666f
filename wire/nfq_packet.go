package wire

import (
	"cmp"
	"encoding/binary"
)

// NFQFields is the set of the attributes that a packet message held: bit 1<<n
// for attribute n.
type NFQFields uint32

// The members of NFQFields, with the version of Linux that first sends each.
const (
	HasPacketHeader NFQFields = 1 << nfqaPacketHdr         // ID, HWProtocol, Hook
	HasMark         NFQFields = 1 << nfqaMark              // Mark; sent if not 0
	HasTimestamp    NFQFields = 1 << nfqaTimestamp         // TimeSec, TimeUsec; sent if something else on the machine asked for time stamps
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

// String returns the kernel's names of the attributes joined by "|".
func (f NFQFields) String() string {
	return bitNames(uint32(f), nfqaNames[:]...)
}

// An NFQPacket is a packet queued by nfnetlink_queue, with what the kernel says
// about it. A field whose bit in Has is not set is zero. All integers are in
// host order.
type NFQPacket struct {
	// Payload is the packet from its network header on, or as much of it as
	// the mode and range of the queue let through. It aliases the message,
	// like the other slices.
	Payload []byte

	// Conntrack holds the attributes (CTA_*) of the connection tracking
	// entry, encoded; Conntrack.Parse decodes them.
	Conntrack []byte

	// SecCtx is the name of the security context of the local socket, as the
	// security module wrote it.
	SecCtx []byte

	// LinkHeader is the whole link-layer header of a bridged packet.
	LinkHeader []byte

	// Has tells which attributes were there.
	Has NFQFields

	// ID names the packet in its verdict. A queue numbers its packets from 1
	// and wraps through 0; a gap means packets that could not be delivered.
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
	// is at most 8, and at most what was there, whatever the message says.
	HWAddrLen uint8
	HWAddr    [8]byte

	Mark uint32

	// InDev and OutDev are interface indexes; with a bridge, those of the
	// bridge, and PhysInDev and PhysOutDev those of its ports.
	InDev, OutDev         uint32
	PhysInDev, PhysOutDev uint32

	// UID and GID own the local socket. They are numbered in the initial
	// user namespace.
	UID, GID uint32

	Priority uint32
	ClassID  uint32 // net_cls (cgroup v1) id of the local socket

	// CapLen is the length of the packet in bytes if Payload was cut.
	CapLen uint32

	SKBInfo SKBInfo
	CTInfo  CTInfo

	// VLANProto is the EtherType of the tag (0x8100 or 0x88a8), VLANTCI its
	// priority, drop eligibility and VLAN id.
	VLANProto, VLANTCI uint16

	// TimeSec and TimeUsec are the time of arrival since 1970.
	TimeSec, TimeUsec uint64
}

const nfqPacketName = "nfqueue packet"

// nfqPacketSizes says how long the attributes of a packet must be.
var nfqPacketSizes = attrSizes{
	nfqaPacketHdr:         7,
	nfqaMark:              4,
	nfqaTimestamp:         16,
	nfqaIfindexInDev:      4,
	nfqaIfindexOutDev:     4,
	nfqaIfindexPhysInDev:  4,
	nfqaIfindexPhysOutDev: 4,
	nfqaHWAddr:            4, // and as much of the address as is there
	nfqaCTInfo:            4,
	nfqaCapLen:            4,
	nfqaSKBInfo:           4,
	nfqaUID:               4,
	nfqaGID:               4,
	nfqaPriority:          4,
	nfqaCgroupClassID:     4,
}

// Parse sets all of p from the body of a message of type NFQPacketType.
// Attributes that it does not know are skipped, and so is what an attribute
// holds beyond its type. Of an attribute that occurs twice the last one counts,
// as in the kernel.
//
// It fails with ErrTruncated if an attribute or the fixed part is not all
// there, with ErrLength if an attribute is shorter than its type or its header,
// and with ErrMissing if there is no packet header. An attribute that is shorter
// than its type is left out and the rest is decoded all the same; the error is
// about the first. So after an error, too, everything that could be read is set:
// if Has has HasPacketHeader, a verdict can be given.
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

// parseAttrs decodes the attributes of the message, all in one function as it
// is called for every packet.
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

// setHWAddr decodes the address of the sender. The kernel sends all 12 bytes.
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
