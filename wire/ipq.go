package wire

import (
	"bytes"
	"encoding/binary"
)

// Message types of ip_queue and ip6_queue.
const (
	IPQModeType    = 0x11 // IPQM_MODE, to the kernel
	IPQVerdictType = 0x12 // IPQM_VERDICT, to the kernel
	IPQPacketType  = 0x13 // IPQM_PACKET, from the kernel
)

// IPQMaxPayload is the length in bytes of the longest replacement that ip_queue
// takes. With a longer one it drops the packet and reports success
// (net/ipv4/netfilter/ip_queue.c, ipq_mangle_ipv4).
const IPQMaxPayload = 65535

// An IPQPacket is a packet queued by ip_queue or ip6_queue, with what the
// kernel says about it.
//
//	typedef struct ipq_packet_msg {               // 64-bit  32-bit
//		unsigned long  packet_id;             //    0       0
//		unsigned long  mark;                  //    8       4
//		long           timestamp_sec;         //   16       8
//		long           timestamp_usec;        //   24      12
//		unsigned int   hook;                  //   32      16
//		char           indev_name[16];        //   36      20
//		char           outdev_name[16];       //   52      36
//		__be16         hw_protocol;           //   68      52
//		unsigned short hw_type;               //   70      54
//		unsigned char  hw_addrlen;            //   72      56
//		unsigned char  hw_addr[8];            //   73      57
//		size_t         data_len;              //   88      68
//		unsigned char  payload[0];            //   96      72
//	} ipq_packet_msg_t;
type IPQPacket struct {
	// ID names the packet in its verdict. It is an address in the kernel,
	// used again for a later packet once this one is decided. HasID reports
	// that it could be read.
	ID    uint64
	HasID bool

	Hook Hook
	Mark uint32

	// TimeSec and TimeUsec are the time of arrival since 1970; both are 0 if
	// it is not known, as for most packets made by the machine itself.
	TimeSec, TimeUsec int64

	// InDev and OutDev are the names of the network devices, empty if there
	// is none. They alias the message.
	InDev, OutDev []byte

	// HWProtocol is the EtherType, 0 if not set yet, which is normal at
	// HookOutput.
	HWProtocol uint16

	// HWType is the ARPHRD_* number of the input device.
	HWType uint16

	// HWAddr[:HWAddrLen] is the link-layer address of the sender. HWAddrLen
	// is at most 8, whatever the message says.
	HWAddrLen uint8
	HWAddr    [8]byte

	// Payload is the packet from its IP header on, or as much of it as the
	// mode and range let through. It aliases the message.
	Payload []byte
}

// ipqOffsets are the places in struct ipq_packet_msg, in bytes. The members up
// to hook are words, those from hook to hw_addr are packed; data_len is a word
// again and aligned as such.
type ipqOffsets struct {
	mark, sec, usec, hook, indev, outdev, hwProtocol, hwType, hwAddrLen, hwAddr, dataLen, payload int
}

var (
	ipqOffsets32 = ipqOffsets{4, 8, 12, 16, 20, 36, 52, 54, 56, 57, 68, 72}
	ipqOffsets64 = ipqOffsets{8, 16, 24, 32, 36, 52, 68, 70, 72, 73, 88, 96}
)

func (l Layout) ipqOffsets() *ipqOffsets {
	if l.WordSize() == 4 {
		return &ipqOffsets32
	}
	return &ipqOffsets64
}

// IPQPacketLen returns the size in bytes of the fixed part of a packet message,
// without netlink header and payload: 96 or 72.
func (l Layout) IPQPacketLen() int { return l.ipqOffsets().payload }

// IPQPeerLen returns the size in bytes of the union of mode and verdict, which
// every request must hold in full: 24 or 12. A shorter one is refused with
// EINVAL.
//
//	typedef struct ipq_mode_msg {       // 64-bit  32-bit
//		unsigned char value;        //    0       0
//		size_t        range;        //    8       4
//	} ipq_mode_msg_t;
//
//	typedef struct ipq_verdict_msg {    // 64-bit  32-bit
//		unsigned int  value;        //    0       0
//		unsigned long id;           //    8       4
//		size_t        data_len;     //   16       8
//		unsigned char payload[0];   //   24      12
//	} ipq_verdict_msg_t;
func (l Layout) IPQPeerLen() int { return 3 * l.WordSize() }

// Parse sets all of p from the body of a message of type IPQPacketType sent by
// a kernel of layout l. The padding that the kernel counts in the length of the
// message is not part of Payload.
//
// It fails with ErrTruncated if the fixed part or the payload is not all there.
// Then ID is still set, and HasID true, if it could be read, so that a verdict
// can be given.
func (p *IPQPacket) Parse(l Layout, body []byte) error {
	*p = IPQPacket{}
	if len(body) >= l.WordSize() {
		p.ID, p.HasID = l.word(body), true
	}
	o := l.ipqOffsets()
	if len(body) < o.payload {
		return &Error{Message: "ip_queue packet", What: "ipq_packet_msg", Want: o.payload, Got: len(body), Err: ErrTruncated}
	}
	p.setFixed(l, o, body)
	n, rest := l.word(body[o.dataLen:]), body[o.payload:]
	if n > uint64(len(rest)) {
		return &Error{Message: "ip_queue packet", What: "payload", Offset: o.payload, Want: clampInt(n), Got: len(rest), Err: ErrTruncated}
	}
	p.Payload = rest[:n:n]
	return nil
}

func (p *IPQPacket) setFixed(l Layout, o *ipqOffsets, b []byte) {
	p.Mark = uint32(l.word(b[o.mark:]))
	p.TimeSec = l.long(b[o.sec:])
	p.TimeUsec = l.long(b[o.usec:])
	p.Hook = Hook(min(l.uint32(b[o.hook:]), 0xff))
	p.InDev = cString(b[o.indev:o.outdev])
	p.OutDev = cString(b[o.outdev:o.hwProtocol])
	p.HWProtocol = binary.BigEndian.Uint16(b[o.hwProtocol:])
	p.HWType = l.uint16(b[o.hwType:])
	p.HWAddrLen = min(b[o.hwAddrLen], uint8(len(p.HWAddr)))
	p.HWAddr = [8]byte(b[o.hwAddr:])
}

// cString returns b up to its first zero byte, or all of it.
func cString(b []byte) []byte {
	n := bytes.IndexByte(b, 0)
	if n < 0 {
		n = len(b)
	}
	return b[:n:n]
}

// AppendIPQMode appends a request that sets the copy mode, for a kernel of
// layout l. With CopyPacket, rng is how many bytes of each packet are wanted: 0
// means all, and the kernel takes more than 65535 as 65535. It looks at the low
// 32 bits alone, so that 1<<32 means all too. port must be the port of the
// socket that gets the packets, above 0 and below 1<<31. FlagRequest is always
// added to flags.
//
// The message has the size of the whole union, IPQPeerLen, after its header.
// The kernel looks at the first message of a datagram only: b is usually empty.
func (l Layout) AppendIPQMode(b []byte, flags uint16, seq, port uint32, mode CopyMode, rng uint64) []byte {
	b, m := l.appendIPQ(b, Header{Type: IPQModeType, Flags: flags, Seq: seq, Port: port}, 0)
	m[0] = byte(mode)
	l.putWord(m[l.WordSize():], rng)
	return b
}

// AppendIPQVerdict appends a verdict on the packet id, for a kernel of layout l,
// with a replacement for the packet if payload is not empty. payload is copied.
// FlagRequest is always added to flags; flags, seq and port are as for
// AppendIPQMode.
//
// The length of the message is exact, neither rounded nor followed by padding:
// with any other the kernel sends the packet unchanged and reports success. The
// same happens if payload is shorter than an IP header.
func (l Layout) AppendIPQVerdict(b []byte, flags uint16, seq, port uint32, id uint64, v Verdict, payload []byte) []byte {
	b, m := l.appendIPQ(b, Header{Type: IPQVerdictType, Flags: flags, Seq: seq, Port: port}, len(payload))
	w := l.WordSize()
	l.putUint32(m, uint32(v))
	l.putWord(m[w:], id)
	l.putWord(m[2*w:], uint64(len(payload)))
	return append(b, payload...)
}

// appendIPQ appends the header of a request, its length computed for extra
// bytes after the union, and the union itself, filled with zeros, which it also
// returns separately. There is room for the extra bytes.
func (l Layout) appendIPQ(b []byte, h Header, extra int) (all, union []byte) {
	n := HeaderLen + l.IPQPeerLen()
	h.Len = uint32(n + extra)
	h.Flags |= FlagRequest
	start := len(b)
	b, m := extend(b, n+extra)
	l.putHeader((*[HeaderLen]byte)(m), h)
	union = m[HeaderLen:n]
	clear(union)
	return b[:start+n], union
}

// ParseIPQMode decodes the body of a message of type IPQModeType. It fails with
// ErrTruncated if the union is not all there.
func (l Layout) ParseIPQMode(body []byte) (mode CopyMode, rng uint64, err error) {
	if n := l.IPQPeerLen(); len(body) < n {
		return 0, 0, &Error{Message: "ip_queue mode", What: "ipq_peer_msg", Want: n, Got: len(body), Err: ErrTruncated}
	}
	return CopyMode(body[0]), l.word(body[l.WordSize():]), nil
}

// ParseIPQVerdict decodes the body of a message of type IPQVerdictType, such as
// the one in the reply to a refused verdict. payload is as long as the message
// declares it and aliases body.
//
// It fails with ErrTruncated if the union or the payload is not all there. Then
// id and v are still returned if they could be read.
func (l Layout) ParseIPQVerdict(body []byte) (id uint64, v Verdict, payload []byte, err error) {
	w := l.WordSize()
	if len(body) >= 2*w {
		v, id = Verdict(l.uint32(body)), l.word(body[w:])
	}
	if len(body) < 3*w {
		return id, v, nil, &Error{Message: "ip_queue verdict", What: "ipq_peer_msg", Want: 3 * w, Got: len(body), Err: ErrTruncated}
	}
	n, rest := l.word(body[2*w:]), body[3*w:]
	if n > uint64(len(rest)) {
		return id, v, nil, &Error{Message: "ip_queue verdict", What: "payload", Offset: 3 * w, Want: clampInt(n), Got: len(rest), Err: ErrTruncated}
	}
	return id, v, rest[:n:n], nil
}
