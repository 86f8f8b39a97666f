package kerneltest

import "encoding/binary"

// Flags of NFQA_SKB_INFO.
const (
	skbChecksumNotReady    = 0x1 // NFQA_SKB_CSUMNOTREADY
	skbGSO                 = 0x2 // NFQA_SKB_GSO
	skbChecksumNotVerified = 0x4 // NFQA_SKB_CSUM_NOTVERIFIED
)

// packetIDOffset is the offset of the packet id in a packet message.
const packetIDOffset = headerLen + nfgenLen + attrHeaderLen

// appendPacket appends a packet message without its id, in the kernel's order
// of attributes (nfqnl_build_packet_message). It completes the checksum if the
// payload is copied and the queue did not ask for GSO.
func (q *nfqQueue) appendPacket(b []byte, p *Packet) []byte {
	start := len(b)
	data := q.payload(p)
	b = appendHeader(native, b, header{kind: nfqPacket})
	b = network.AppendUint16(append(b, byte(p.Family), 0), q.number)
	b = appendAttribute(b, attrPacketHeader, packetHeader(p)...)
	b = appendDevices(b, p)
	b = appendNonzero(b, attrMark, p.Mark)
	if q.k.opts.Linux.hasPriority() {
		b = appendNonzero(b, attrPriority, p.Priority)
	}
	b = q.appendLink(b, p)
	b = appendTimestamp(b, p)
	b = q.appendSocket(b, p)
	b = q.appendConntrack(b, p)
	if q.mode == nfqCopyPacket && len(data) < len(p.Payload) {
		b = appendUint32(b, attrCapLen, uint32(len(p.Payload)))
	}
	if q.k.opts.Linux.knowsGSO() {
		b = appendNonzero(b, attrSkbInfo, skbInfo(p))
	}
	if len(data) > 0 {
		b = appendUnpadded(b, attrPayload, data)
	}
	native.PutUint32(b[start:], uint32(len(b)-start))
	return b
}

// payload returns the part of the packet to copy.
func (q *nfqQueue) payload(p *Packet) []byte {
	if q.mode != nfqCopyPacket {
		return nil
	}
	if q.flags&flagGSO == 0 {
		p.complete()
	}
	return p.Payload[:min(len(p.Payload), int(q.copyRange))]
}

func packetHeader(p *Packet) []byte {
	protocol := p.Protocol
	switch p.Family {
	case IPv4:
		protocol = 0x0800 // ETH_P_IP
	case IPv6:
		protocol = 0x86dd // ETH_P_IPV6
	}
	b := network.AppendUint16(make([]byte, 4, 7), protocol)
	return append(b, byte(p.Hook))
}

func setPacketID(message []byte, id uint32) {
	binary.BigEndian.PutUint32(message[packetIDOffset:], id)
}

// appendDevices appends the interfaces, the bridge port first for packets of a
// bridge.
func appendDevices(b []byte, p *Packet) []byte {
	if p.Family == Bridge {
		b = appendNonzero(b, attrPhysIn, p.PhysIn.Index)
		b = appendNonzero(b, attrIn, p.In.Index)
		b = appendNonzero(b, attrPhysOut, p.PhysOut.Index)
		return appendNonzero(b, attrOut, p.Out.Index)
	}
	b = appendNonzero(b, attrIn, p.In.Index)
	b = appendNonzero(b, attrPhysIn, p.PhysIn.Index)
	b = appendNonzero(b, attrOut, p.Out.Index)
	return appendNonzero(b, attrPhysOut, p.PhysOut.Index)
}

// appendLink appends the source address of the link, and tag and header of a
// bridged packet.
func (q *nfqQueue) appendLink(b []byte, p *Packet) []byte {
	if p.HWAddr != nil {
		a := network.AppendUint16(nil, uint16(len(p.HWAddr)))
		b = appendAttribute(b, attrHWAddr, appendFixed(append(a, 0, 0), string(p.HWAddr), 8)...)
	}
	if p.Family != Bridge || !q.k.opts.Linux.bridges() {
		return b
	}
	if p.VLAN != nil {
		tag := appendAttribute(nil, attrVLANTCI, network.AppendUint16(nil, p.VLAN.TCI)...)
		tag = appendAttribute(tag, attrVLANProtocol, network.AppendUint16(nil, p.VLAN.Protocol)...)
		b = appendAttribute(b, attrVLAN|attrNested, tag...)
	}
	return appendPresent(b, attrLinkHeader, p.LinkHeader)
}

// appendTimestamp appends the time of reception. The output hooks do not send it.
func appendTimestamp(b []byte, p *Packet) []byte {
	if p.Time.IsZero() || p.Hook > Forward {
		return b
	}
	sec, usec := unixTime(p.Time)
	t := network.AppendUint64(nil, sec)
	return appendAttribute(b, attrTimestamp, network.AppendUint64(t, usec)...)
}

// appendSocket appends the metadata of the local socket.
func (q *nfqQueue) appendSocket(b []byte, p *Packet) []byte {
	if q.flags&flagUIDGID != 0 && p.Owner != nil {
		b = appendUint32(b, attrUID, p.Owner.UID)
		b = appendUint32(b, attrGID, p.Owner.GID)
	}
	if q.k.opts.Linux.hasClassID() {
		b = appendNonzero(b, attrClassID, p.ClassID)
	}
	if q.flags&flagSecCtx != 0 {
		b = appendPresent(b, attrSecCtx, p.SecurityContext)
	}
	return b
}

func (q *nfqQueue) appendConntrack(b []byte, p *Packet) []byte {
	if q.flags&flagConntrack == 0 || p.Conntrack == nil {
		return b
	}
	b = appendAttribute(b, attrConntrack|attrNested, p.Conntrack.append(nil)...)
	return appendUint32(b, attrConntrackInfo, p.ConntrackInfo)
}

func skbInfo(p *Packet) (flags uint32) {
	switch p.Checksum {
	case Partial:
		flags = skbChecksumNotReady
	case Unverified:
		flags = skbChecksumNotVerified
	}
	if p.GSO > 0 {
		flags |= skbGSO
	}
	return flags
}
