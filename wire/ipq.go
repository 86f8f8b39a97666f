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

// IPQMaxPayload is the length in bytes of the longest replacement packet that
// ip_queue accepts. If a replacement is longer, ip_queue drops the packet and
// reports success (net/ipv4/netfilter/ip_queue.c, ipq_mangle_ipv4).
const IPQMaxPayload = 65535

// An IPQPacket is a packet queued by ip_queue or ip6_queue, together with the
// metadata that the kernel sends.
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
	// ID identifies the packet in its verdict. It is an address in the
	// kernel, which may use it for another packet once this one is decided.
	// HasID reports whether the message was long enough to contain the id.
	ID    uint64
	HasID bool

	Hook Hook
	Mark uint32

	// TimeSec and TimeUsec are the time of arrival: seconds since 1970, and
	// microseconds. Both are 0 if it is unknown, as for most packets that the
	// machine itself sends.
	TimeSec, TimeUsec int64

	// InDev and OutDev are the names of the network devices, or empty if
	// there is no such device. They alias the message.
	InDev, OutDev []byte

	// HWProtocol is the EtherType. It is 0 if the kernel has not set it yet,
	// which is usual at HookOutput.
	HWProtocol uint16

	// HWType is the hardware type of the input device (ARPHRD_*).
	HWType uint16

	// HWAddr[:HWAddrLen] is the link-layer address of the sender. HWAddrLen
	// is at most 8, even if the message contains a larger value.
	HWAddrLen uint8
	HWAddr    [8]byte

	// Payload is the packet, starting at its IP header. The copy mode and the
	// range limit its length. It aliases the message.
	Payload []byte
}

// ipqOffsets contains the offsets of the members of struct ipq_packet_msg, in
// bytes. The members before hook are words. Those from hook to hw_addr follow
// one another without padding. data_len is a word, aligned to the word size.
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
// without the netlink header and the payload: 96 on 64-bit, 72 on 32-bit kernels.
func (l Layout) IPQPacketLen() int { return l.ipqOffsets().payload }

// ipqPeerLen returns the size in bytes of the union of mode and verdict: 24 on
// 64-bit, 12 on 32-bit kernels. Every request must contain the whole union; the
// kernel refuses a shorter one with EINVAL.
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
func (l Layout) ipqPeerLen() int { return 3 * l.WordSize() }

// Parse sets every field of p from the body of a message of type IPQPacketType,
// sent by a kernel with layout l. Payload does not include the padding at the
// end of the message.
//
// Parse fails with ErrTruncated if body ends before the end of the fixed part or
// of the payload. If body contains the id, ID and HasID are set even then, so
// that the caller can send a verdict.
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

// AppendIPQMode appends a request that sets the copy mode of a kernel with
// layout l. With CopyPacket, rng is the number of bytes to copy of each packet:
// 0 means all, and the kernel treats values above 65535 as 65535. The kernel
// uses only the low 32 bits, so 1<<32 means all as well. port is the port of the
// socket that receives the packets, above 0 and below 1<<31. AppendIPQMode
// always adds FlagRequest to flags.
//
// The kernel reads only the first message of a datagram, so b is usually empty.
func (l Layout) AppendIPQMode(b []byte, flags uint16, seq, port uint32, mode CopyMode, rng uint64) []byte {
	b, m := l.appendIPQ(b, Header{Type: IPQModeType, Flags: flags, Seq: seq, Port: port}, 0)
	m[0] = byte(mode)
	l.putWord(m[l.WordSize():], rng)
	return b
}

// AppendIPQVerdict appends a verdict for the packet with the given id, for a
// kernel with layout l. If payload is not empty, it replaces the packet;
// AppendIPQVerdict copies it. flags, seq and port are as for AppendIPQMode.
//
// The length of the message is exact: it is neither rounded up nor followed by
// padding. With any other length the kernel sends the original packet and
// reports success. It also does so if payload is shorter than an IP header.
func (l Layout) AppendIPQVerdict(b []byte, flags uint16, seq, port uint32, id uint64, v Verdict, payload []byte) []byte {
	b, m := l.appendIPQ(b, Header{Type: IPQVerdictType, Flags: flags, Seq: seq, Port: port}, len(payload))
	w := l.WordSize()
	l.putUint32(m, uint32(v))
	l.putWord(m[w:], id)
	l.putWord(m[2*w:], uint64(len(payload)))
	return append(b, payload...)
}

// appendIPQ appends the header of a request and a union of zeros, which it also
// returns as a slice of its own. The length in the header includes extra bytes
// after the union. The capacity of the result is large enough for them.
func (l Layout) appendIPQ(b []byte, h Header, extra int) (all, union []byte) {
	n := HeaderLen + l.ipqPeerLen()
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
// ErrTruncated if body ends before the end of the union.
func (l Layout) ParseIPQMode(body []byte) (mode CopyMode, rng uint64, err error) {
	if n := l.ipqPeerLen(); len(body) < n {
		return 0, 0, &Error{Message: "ip_queue mode", What: "ipq_peer_msg", Want: n, Got: len(body), Err: ErrTruncated}
	}
	return CopyMode(body[0]), l.word(body[l.WordSize():]), nil
}

// ParseIPQVerdict decodes the body of a message of type IPQVerdictType, for
// example the one repeated in the reply to a refused verdict. payload aliases
// body and has the length that the message declares.
//
// ParseIPQVerdict fails with ErrTruncated if body ends before the end of the
// union or of the payload. It still returns id and v if body contains them.
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
