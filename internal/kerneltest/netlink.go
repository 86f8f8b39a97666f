package kerneltest

import "encoding/binary"

// A byteOrder is that of the simulated kernel.
type byteOrder interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

// From include/uapi/linux/netlink.h.
const (
	headerLen = 16

	typeError   = 2    // NLMSG_ERROR
	typeMinimum = 0x10 // NLMSG_MIN_TYPE: below are control messages

	flagRequest = 0x1   // NLM_F_REQUEST
	flagMulti   = 0x2   // NLM_F_MULTI
	flagAck     = 0x4   // NLM_F_ACK
	flagCapped  = 0x100 // NLM_F_CAPPED
)

// A header is a struct nlmsghdr.
type header struct {
	length      uint32
	kind, flags uint16
	seq, port   uint32
}

// parseMessage returns the header at the front of b and the message it heads.
// ok is false if there is no whole message.
func parseMessage(o byteOrder, b []byte) (h header, message []byte, ok bool) {
	if len(b) < headerLen {
		return h, nil, false
	}
	h = header{o.Uint32(b), o.Uint16(b[4:]), o.Uint16(b[6:]), o.Uint32(b[8:]), o.Uint32(b[12:])}
	if h.length < headerLen || uint64(h.length) > uint64(len(b)) {
		return h, nil, false
	}
	return h, b[:h.length:h.length], true
}

func appendHeader(o byteOrder, b []byte, h header) []byte {
	b = o.AppendUint32(b, h.length)
	b = o.AppendUint16(b, h.kind)
	b = o.AppendUint16(b, h.flags)
	b = o.AppendUint32(b, h.seq)
	return o.AppendUint32(b, h.port)
}

// align rounds up to the 4 bytes that netlink aligns everything to.
func align(n int) int { return (n + 3) &^ 3 }

// pad appends zeros up to the next multiple of 4.
func pad(b []byte) []byte { return append(b, make([]byte, align(len(b))-len(b))...) }

// A replyStyle is the form of a kernel's NLMSG_ERROR.
type replyStyle struct {
	order   byteOrder
	capped  bool // omit the body of the request (NETLINK_CAP_ACK)
	flagged bool // set NLM_F_CAPPED then
	rounded bool // nlmsg_len includes the padding
}

// reply returns the NLMSG_ERROR for a request from the socket with the given port.
// An errno of 0 is an acknowledgement (net/netlink/af_netlink.c, netlink_ack).
func (s replyStyle) reply(port uint32, errno Errno, request []byte) []byte {
	full := errno != 0 && !s.capped
	if !full {
		request = request[:headerLen]
	}
	h := header{length: uint32(headerLen + 4 + len(request)), kind: typeError, port: port}
	h.seq = s.order.Uint32(request[8:])
	if s.rounded {
		h.length = uint32(align(int(h.length)))
	}
	if s.flagged && !full {
		h.flags = flagCapped
	}
	b := appendHeader(s.order, make([]byte, 0, align(int(h.length))), h)
	b = s.order.AppendUint32(b, uint32(-int32(errno)))
	return pad(append(b, request...))
}
