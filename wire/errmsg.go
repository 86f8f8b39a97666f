package wire

// errorLen is the size of struct nlmsgerr, which follows the netlink header in
// every error reply:
//
//	struct nlmsgerr {
//		int             error; // 0 or a negative errno
//		struct nlmsghdr msg;   // of the request
//	};
const errorLen = 4 + HeaderLen

// An ErrorMessage is the kernel's reply to a request: an acknowledgement, or a
// refusal with an errno.
type ErrorMessage struct {
	// Errno is 0 for an acknowledgement. Otherwise it is a positive errno of
	// the kernel's architecture; the message contains the negated value.
	Errno uint32

	// Request is the header of the request.
	Request Header

	// Body is the part of the request's body that the reply repeats. It
	// aliases the message. It is empty in an acknowledgement, if the request
	// had no body, and if the socket has the option NETLINK_CAP_ACK. It is
	// shorter than the body of the request if the reply did not fit in the
	// receive buffer.
	Body []byte
}

// ParseError decodes an error reply from its header and body, as returned by
// Header.Parse. It ignores the attributes with explanations that the kernel
// appends if the socket has the option NETLINK_EXT_ACK (Linux 4.12).
//
// ParseError fails with ErrType if h is not of type NLMsgError, and with
// ErrTruncated if body ends before the end of the request's header. In the
// latter case Errno is still set if body contains it.
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
// the reply was capped (sent without that body). Before Linux 4.12 a capped
// reply is not marked as such, but then rest is empty. An acknowledgement never
// contains the body (net/netlink/af_netlink.c, netlink_ack).
func (m *ErrorMessage) echo(h Header, rest []byte) []byte {
	if m.Errno == 0 || h.Flags&flagCapped != 0 || m.Request.Len < HeaderLen {
		return nil
	}
	n := min(uint64(m.Request.Len-HeaderLen), uint64(len(rest)))
	return rest[:n:n]
}
