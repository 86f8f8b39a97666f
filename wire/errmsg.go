package wire

// errorLen is the part of every error reply that follows the netlink header:
//
//	struct nlmsgerr {
//		int             error; // 0 or a negative errno
//		struct nlmsghdr msg;   // of the request
//	};
const errorLen = 4 + HeaderLen

// An ErrorMessage is the kernel's answer to a request: an acknowledgement, or
// the errno by which it was refused.
type ErrorMessage struct {
	// Errno is 0 for an acknowledgement, else a positive errno of the
	// kernel's architecture. The message holds it negated.
	Errno uint32

	// Request is the header of the request that is answered.
	Request Header

	// Body is what was sent back of the body of the request. It aliases the
	// message. It is empty in an acknowledgement, if the request had no
	// body, and if the socket asked for short replies (NETLINK_CAP_ACK). It
	// is shorter than the request's if the reply was cut by the receive
	// buffer.
	Body []byte
}

// ParseError decodes an error reply from its header and body, as Header.Parse
// returned them. Attributes with further explanations, which newer kernels
// append if asked to, are left out.
//
// It fails with ErrType if h is not of type NLMsgError, and with ErrTruncated
// if the header of the request is not all there; if the errno is there, it is
// returned all the same.
func (l Layout) ParseError(h Header, body []byte) (ErrorMessage, error) {
	var m ErrorMessage
	if h.Type != NLMsgError {
		return m, &Error{Message: "error reply", What: "nlmsg_type", Want: NLMsgError, Got: int(h.Type), Err: ErrType}
	}
	if len(body) >= 4 {
		m.Errno = -l.uint32(body)
	}
	if len(body) < errorLen {
		return m, &Error{Message: "error reply", What: "nlmsgerr", Want: errorLen, Got: len(body), Err: ErrTruncated}
	}
	l.readHeader(&m.Request, body[4:])
	m.Body = m.echo(h, body[errorLen:])
	return m, nil
}

// echo returns the body of the request, which is at the start of rest unless
// the reply was capped. Kernels before 4.12 do not say that they capped it, but
// put nothing else there. An acknowledgement never carries it
// (net/netlink/af_netlink.c, netlink_ack).
func (m *ErrorMessage) echo(h Header, rest []byte) []byte {
	if m.Errno == 0 || h.Flags&FlagCapped != 0 || m.Request.Len < HeaderLen {
		return nil
	}
	n := min(uint64(m.Request.Len-HeaderLen), uint64(len(rest)))
	return rest[:n:n]
}
