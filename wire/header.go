package wire

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// HeaderLen is the size in bytes of the header of every netlink message.
const HeaderLen = 16

// Types of messages that every netlink protocol has.
const (
	NLMsgNoop  = 0x1 // NLMSG_NOOP: nothing
	NLMsgError = 0x2 // NLMSG_ERROR: an acknowledgement or a refusal
)

// Flags of a netlink message.
const (
	FlagRequest = 0x1 // NLM_F_REQUEST: without it both queues refuse or skip a message
	FlagMulti   = 0x2 // NLM_F_MULTI: ip_queue refuses it
	FlagAck     = 0x4 // NLM_F_ACK: success is answered too, not only failure

	FlagCapped  = 0x100 // NLM_F_CAPPED: an error reply without the body of the request (Linux 4.12)
	FlagAckTLVs = 0x200 // NLM_F_ACK_TLVS: an error reply that ends in attributes (Linux 4.12)
)

// A Header is the start of every netlink message, all of it in the byte order
// of the kernel.
//
//	struct nlmsghdr {
//		__u32 nlmsg_len;   // of the whole message, header included
//		__u16 nlmsg_type;
//		__u16 nlmsg_flags;
//		__u32 nlmsg_seq;
//		__u32 nlmsg_pid;   // port of the socket, 0 for the kernel
//	};
type Header struct {
	Len   uint32
	Type  uint16
	Flags uint16
	Seq   uint32
	Port  uint32
}

// Parse sets h from the header at the start of b and returns the body of its
// message, which is b[HeaderLen:Len] and aliases b. Bytes after the message are
// not looked at.
//
// It fails with ErrTruncated if b is shorter than a header or than the message
// says, and with ErrLength if the message says it is shorter than a header. A
// message that is cut short still gives its header and the part of its body
// that is there, so that the id of the packet can be found.
func (h *Header) Parse(l Layout, b []byte) (body []byte, err error) {
	if len(b) < HeaderLen {
		*h = Header{}
		return nil, &Error{Message: "netlink message", What: "nlmsghdr", Want: HeaderLen, Got: len(b), Err: ErrTruncated}
	}
	l.readHeader(h, b)
	switch {
	case h.Len < HeaderLen:
		return nil, &Error{Message: "netlink message", What: "nlmsg_len", Want: HeaderLen, Got: int(h.Len), Err: ErrLength}
	case uint64(h.Len) > uint64(len(b)):
		return b[HeaderLen:len(b):len(b)], &Error{Message: "netlink message", What: "body", Offset: HeaderLen, Want: clampInt(uint64(h.Len)), Got: len(b), Err: ErrTruncated}
	}
	return b[HeaderLen:h.Len:h.Len], nil
}

// readHeader fills h from the header at the start of b.
func (l Layout) readHeader(h *Header, b []byte) {
	m := (*[HeaderLen]byte)(b)
	h.Len = binary.LittleEndian.Uint32(m[0:])
	h.Type = binary.LittleEndian.Uint16(m[4:])
	h.Flags = binary.LittleEndian.Uint16(m[6:])
	h.Seq = binary.LittleEndian.Uint32(m[8:])
	h.Port = binary.LittleEndian.Uint32(m[12:])
	if l.BigEndian() {
		h.reverse()
	}
}

// reverse changes the byte order of each field.
func (h *Header) reverse() {
	h.Len = bits.ReverseBytes32(h.Len)
	h.Type = bits.ReverseBytes16(h.Type)
	h.Flags = bits.ReverseBytes16(h.Flags)
	h.Seq = bits.ReverseBytes32(h.Seq)
	h.Port = bits.ReverseBytes32(h.Port)
}

// AppendHeader appends the HeaderLen bytes of h to b. Len is written as it is:
// it counts the header and the body and is never rounded up.
func (l Layout) AppendHeader(b []byte, h Header) []byte {
	b, m := extend(b, HeaderLen)
	l.putHeader((*[HeaderLen]byte)(m), h)
	return b
}

func (l Layout) putHeader(m *[HeaderLen]byte, h Header) {
	if l.BigEndian() {
		h.reverse()
	}
	binary.LittleEndian.PutUint32(m[0:], h.Len)
	binary.LittleEndian.PutUint16(m[4:], h.Type)
	binary.LittleEndian.PutUint16(m[6:], h.Flags)
	binary.LittleEndian.PutUint32(m[8:], h.Seq)
	binary.LittleEndian.PutUint32(m[12:], h.Port)
}

// extend makes b longer by n bytes and returns those separately. Their content
// is whatever the memory held: the caller writes all of them.
func extend(b []byte, n int) (all, added []byte) {
	start := len(b)
	all = slices.Grow(b, n)[:start+n]
	return all, all[start:]
}

// align4 appends zeros until the length of b is a multiple of 4.
func align4(b []byte) []byte {
	for len(b)&3 != 0 {
		b = append(b, 0)
	}
	return b
}
