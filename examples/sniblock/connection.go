package main

// A connection is a TCP connection that may still be refused, as seen in the
// segments of its client. If the client sends several SYNs with different
// sequence numbers, only the server knows which one opened the connection, so
// there may be several attempts.
type connection struct {
	attempts []*attempt
}

// mostAttempts is the number of attempts that a connection keeps.
const mostAttempts = 4

// open returns the attempt that a SYN starts or repeats. It returns nil if
// there are too many attempts.
func (c *connection) open(syn segment) *attempt {
	for _, a := range c.attempts {
		if a.first == syn.sequence {
			return a
		}
	}
	if len(c.attempts) == mostAttempts && !c.forgetEmpty() {
		return nil
	}
	a := &attempt{first: syn.sequence}
	c.attempts = append(c.attempts, a)
	return a
}

// join starts in the middle of a connection whose SYN was not seen.
func (c *connection) join(s segment, late bool) (o outcome) {
	a := &attempt{first: s.sequence}
	c.attempts = append(c.attempts, a)
	if late {
		o = a.refuse("began unseen")
	}
	return o
}

// forgetEmpty forgets an attempt without data. If data of it arrives later, it
// belongs to no attempt and is discarded.
func (c *connection) forgetEmpty() bool {
	for i, a := range c.attempts {
		if a.stream.size() == 0 && !a.refused {
			c.attempts = append(c.attempts[:i], c.attempts[i+1:]...)
			return true
		}
	}
	return false
}

// take decides a segment. It discards a segment that no attempt accepts, and
// refuses one that an attempt refuses.
func (c *connection) take(s segment, judge func(hello) string) (o outcome) {
	o.decision = discard
	settled := true
	for _, a := range c.attempts {
		if a.takes(s) {
			o = o.or(a.take(s, judge))
		}
		settled = settled && a.settled()
	}
	if o.decision == pass && settled {
		o.decision = settle
	}
	return o
}

// size returns the approximate memory of the connection.
func (c *connection) size() int {
	const fixed, each = 400, 300
	n := fixed
	for _, a := range c.attempts {
		n += each + a.stream.size() + cap(a.records.handshake.message)
	}
	return n
}

// An attempt is the connection under the assumption that the server has
// accepted the SYN with this sequence number.
type attempt struct {
	first   uint32 // sequence number of the first byte
	stream  stream
	records records

	refused bool
	// doubtful attempts never settle: only the server knows whether it has
	// accepted the data by which they were judged.
	doubtful bool
	// beyond reports that there is data after that by which the attempt was
	// judged.
	beyond bool

	hops  uint8  // that a SYN had left, at most; 0 if none was seen
	time  uint32 // of the client's clock, as the server knows it
	timed bool   // there is a time
	ack   uint32 // that the client sent first
	acked bool   // there is an ack
}

// farAway is more than the number of hops between any two hosts.
const farAway = 40

// takes reports whether the server accepts the segment, if it has accepted the
// SYN.
func (a *attempt) takes(s segment) bool {
	at := a.offset(s)
	switch {
	case s.hops < a.hops && s.hops < farAway: // it may not get there
		return false
	case s.timed && a.timed && int32(s.time-a.time) < 0: // RFC 7323, section 5
		return false
	case len(s.data) == 0 || len(s.data) == 1 && at == -1:
		return true
	case len(s.data) == 1 && a.probes(at, s.data[0]):
		return false
	case a.records.handshake.over:
		return true
	}
	return at > -len(s.data) && at < longestHello
}

// probes reports whether the byte is a keep-alive: the last byte sent, with
// another value.
func (a *attempt) probes(at int, c byte) bool {
	return at >= 0 && at == a.stream.whole-1 && a.stream.data[at] != c
}

// offset returns the position of the segment in the stream.
func (a *attempt) offset(s segment) int { return int(int32(s.sequence - a.first)) }

// take decides a segment that the server accepts.
func (a *attempt) take(s segment, judge func(hello) string) outcome {
	a.learn(s)
	at := a.offset(s)
	if at < 0 { // the server has no place for what comes before the stream
		s.data, at = s.data[min(-at, len(s.data)):], 0
	}
	switch {
	case len(s.data) == 0:
		return outcome{decision: pass}
	case a.refused:
		return outcome{decision: refuse}
	case a.records.handshake.over && at >= a.stream.whole:
		a.beyond = true
		return outcome{decision: pass}
	case !a.stream.add(at, s.data):
		return a.refuse("contradicts itself")
	}
	return a.conclude(judge)
}

// conclude decides the stream as it is so far.
func (a *attempt) conclude(judge func(hello) string) outcome {
	hellos, err := a.records.read(a.stream.beginning())
	for _, h := range hellos {
		if reason := judge(h); reason != "" {
			return a.refuse(reason)
		}
	}
	if err == nil && a.stream.full() {
		err = a.records.handshake.end()
	}
	if err != nil {
		return a.refuse(err.Error())
	}
	return outcome{decision: pass}
}

// learn remembers values that later segments must match. The server keeps the
// time stamp of the next segment in its stream (RFC 7323, section 4.3). It
// sends nothing before it has the ClientHello, so the acknowledgement numbers
// stay the same until then; a segment with another one may be one that it does
// not accept.
func (a *attempt) learn(s segment) {
	if s.syn {
		a.hops = max(a.hops, s.hops)
		a.doubtful = a.doubtful || len(s.data) > 0 // TCP Fast Open, if it does that
	}
	if s.timed && a.offset(s) <= a.stream.whole && (!a.timed || int32(s.time-a.time) > 0) {
		a.time, a.timed = s.time, true
	}
	switch {
	case s.syn:
	case !a.acked:
		a.ack, a.acked = s.ack, true
	case s.ack != a.ack && len(s.data) > 0 && a.records.handshake.hellos == 0:
		a.doubtful = true
	}
}

// refuse refuses the attempt permanently.
func (a *attempt) refuse(reason string) outcome {
	a.refused, a.stream, a.records = true, stream{}, records{}
	return outcome{decision: refuse, reason: reason}
}

// settled reports whether the attempt can no longer be refused. Without a
// ClientHello that needs more than the first data: if the server has not
// accepted that data, a ClientHello can follow in its place.
func (a *attempt) settled() bool {
	h := &a.records.handshake
	return h.over && (h.hellos > 0 || a.beyond) && !a.doubtful && !a.refused
}
