package wire

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// HeaderLen is the size in bytes of the header of every netlink message.
const HeaderLen = 16

// Message types that every netlink protocol has.
const (
	NLMsgNoop  = 0x1 // NLMSG_NOOP: an empty message
	NLMsgError = 0x2 // NLMSG_ERROR: an acknowledgement or a refusal
)

// Flags of a request.
const (
	// NLM_F_REQUEST is required: without it ip_queue refuses a message and
	// nfnetlink_queue skips it.
	FlagRequest = 0x1
	// NLM_F_ACK requests a reply on success too, not only on failure.
	FlagAck = 0x4
)

// flagCapped is NLM_F_CAPPED, which marks an error reply that does not repeat
// the body of the request (Linux 4.12).
const flagCapped = 0x100

// A Header is the header of a netlink message. In the message, all fields are
// in the byte order of the kernel.
//
//	struct nlmsghdr {
//		__u32 nlmsg_len;   // of the whole message, including this header
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

// Parse sets h from the header at the start of b and returns the body of the
// message, b[HeaderLen:h.Len], which aliases b. It ignores bytes after the
// message.
//
// Parse fails with ErrTruncated if b is shorter than a header or than h.Len,
// and with ErrLength if h.Len is smaller than a header. If the message is cut
// short, Parse still sets h and returns the part of the body that b contains, so
// that the caller can find the id of the packet.
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

// reverse swaps the byte order of each field.
func (h *Header) reverse() {
	h.Len = bits.ReverseBytes32(h.Len)
	h.Type = bits.ReverseBytes16(h.Type)
	h.Flags = bits.ReverseBytes16(h.Flags)
	h.Seq = bits.ReverseBytes32(h.Seq)
	h.Port = bits.ReverseBytes32(h.Port)
}

// AppendHeader appends h, HeaderLen bytes, to b. The caller sets h.Len to the
// length of header and body; AppendHeader writes it unchanged and never rounds
// it up.
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

// extend makes b longer by n bytes and also returns these bytes as a slice of
// their own. They are not cleared: the caller must write every one.
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
