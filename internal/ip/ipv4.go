package ip

import "encoding/binary"

// headerLen4 is the length of an IPv4 header without options (RFC 791, section
// 3.1), whose fields read here are
//
//	 0 version and header length in 4-byte words
//	 2 total length
//	 6 flags (0x2000 more fragments) and fragment offset (0x1fff)
//	 9 protocol
//	12 source
//	16 destination
const headerLen4 = 20

// headerLength4 returns the length of packet's header, options included, which
// may be more than len(packet).
func headerLength4(packet []byte) (int, Fault) {
	if len(packet) < headerLen4 {
		return 0, HeaderCut
	}
	n := 4 * int(packet[0]&0x0f)
	if n < headerLen4 {
		return 0, HeaderTooShort
	}
	return n, NoFault
}

func (h *Headers) parse4(packet []byte) {
	n, f := headerLength4(packet)
	if f != NoFault {
		h.Fault = f
		return
	}
	h.Version, h.Protocol, h.Length = 4, packet[9], n
	h.source, h.final = 12, 16
	if n > len(packet) {
		h.fail(HeaderCut)
		return
	}
	if n > headerLen4 {
		h.options4(packet[:n])
	}
	offset := binary.BigEndian.Uint16(packet[6:])
	h.Fragment = offset&0x3fff != 0
	if offset&0x1fff != 0 {
		return
	}
	h.Transport = n
	for h.Protocol == authentication && h.skipExtension(packet) {
	}
}

// IPv4 option types, RFC 791, section 3.1. All but the first two are followed
// by a byte with their length, the type and itself included.
const (
	optionEnd         = 0
	optionNop         = 1 // padding
	optionLooseRoute  = 131
	optionStrictRoute = 137
)

// options4 looks for a source route that is still under way. The header's own
// destination is just its next stop, and its last address the destination that
// the pseudo-header has.
func (h *Headers) options4(header []byte) {
	routes := 0
	for at := headerLen4; at < len(header); {
		option, ok := option4(header[at:])
		if !ok {
			h.fail(BadOption)
			return
		}
		at += len(option)
		if option[0] != optionLooseRoute && option[0] != optionStrictRoute {
			continue
		}
		if routes++; routes > 1 || !validRoute4(option) {
			h.fail(BadSourceRoute)
			return
		}
		if int(option[2]) <= len(option) {
			h.final = at - 4
		}
	}
}

// option4 returns the first of options, which are not empty. The end of the
// list is returned as one option with all that follows it.
func option4(options []byte) ([]byte, bool) {
	switch options[0] {
	case optionEnd:
		return options, true
	case optionNop:
		return options[:1], true
	}
	if len(options) < 2 || options[1] < 2 || int(options[1]) > len(options) {
		return nil, false
	}
	return options[:options[1]], true
}

// validRoute4 reports whether a source route option is well formed: type,
// length, then a pointer, counted from 1, to one of the addresses that follow
// or past all of them.
func validRoute4(option []byte) bool {
	if len(option) < 3 || len(option)%4 != 3 {
		return false
	}
	pointer := int(option[2])
	return pointer > len(option) || pointer >= 4 && pointer%4 == 0
}
