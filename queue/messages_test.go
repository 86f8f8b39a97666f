package queue_test

import "encoding/binary"

// A verdictMessage is a message that was sent.
type verdictMessage struct {
	id      uint64
	payload int // bytes of the replacement
}

// messages takes the datagrams that were sent apart.
func (s *sim) messages() (list []verdictMessage) {
	s.Helper()
	for _, d := range s.sentSoFar() {
		if !s.isNFQueue() {
			list = append(list, s.ipqMessage(d))
			continue
		}
		for len(d) > 0 {
			n := int(binary.NativeEndian.Uint32(d))
			if n < 32 || n > len(d) {
				s.Fatalf("message of %d bytes in the last %d of a datagram", n, len(d))
			}
			list = append(list, s.nfqMessage(d[:n]))
			d = d[min((n+3)&^3, len(d)):]
		}
	}
	return list
}

// nfqMessage reads a NFQNL_MSG_VERDICT, whose first attribute is the verdict
// header and whose last the payload.
func (s *sim) nfqMessage(m []byte) (v verdictMessage) {
	s.Helper()
	if typ := binary.NativeEndian.Uint16(m[4:]); typ != 0x301 {
		s.Fatalf("message of type %#x, want 0x301", typ)
	}
	v.id = uint64(binary.BigEndian.Uint32(m[28:]))
	for a := m[20:]; len(a) >= 4; {
		n := int(binary.NativeEndian.Uint16(a))
		if typ := binary.NativeEndian.Uint16(a[2:]); typ == 10 {
			v.payload = n - 4
		}
		a = a[min((n+3)&^3, len(a)):]
	}
	return v
}

// ipqMessage reads an IPQM_VERDICT, which must fill its datagram exactly: with
// any other length the kernel ignores the payload (ipq_set_verdict).
func (s *sim) ipqMessage(d []byte) (v verdictMessage) {
	s.Helper()
	var order binary.ByteOrder = binary.LittleEndian
	if s.words.BigEndian() {
		order = binary.BigEndian
	}
	word := func(b []byte) uint64 {
		if s.words.WordSize() == 8 {
			return order.Uint64(b)
		}
		return uint64(order.Uint32(b))
	}
	if n := int(order.Uint32(d)); n != len(d) {
		s.Errorf("nlmsg_len is %d in a datagram of %d bytes", n, len(d))
	}
	w := s.words.WordSize()
	v.id, v.payload = word(d[16+w:]), int(word(d[16+2*w:]))
	if want := 16 + 3*w + v.payload; len(d) != want {
		s.Errorf("verdict with %d bytes of payload has %d bytes, want %d", v.payload, len(d), want)
	}
	return v
}
