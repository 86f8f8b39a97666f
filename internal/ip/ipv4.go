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

// headerLength4 returns the length of the header including options, which may
// be more than len(packet).
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

// IPv4 option types, RFC 791, section 3.1. In all but the first two, the next
// byte is the length of the option, including type and length.
const (
	optionEnd         = 0
	optionNop         = 1 // padding
	optionRecordRoute = 7
	optionTimestamp   = 68
	optionLooseRoute  = 131
	optionCIPSO       = 134 // a security label
	optionStrictRoute = 137
)

// options4 sets h.Noted, and searches for a source route that is still in
// progress. The destination in the header is then only the next stop, and the
// last address of the route is the destination for the pseudo-header.
func (h *Headers) options4(header []byte) {
	routes := 0
	for at := headerLen4; at < len(header); {
		option, ok := option4(header[at:])
		if !ok {
			h.fail(BadOption)
			return
		}
		at += len(option)
		switch option[0] {
		case optionRecordRoute, optionTimestamp, optionCIPSO:
			h.Noted = true
			continue
		case optionLooseRoute, optionStrictRoute:
			h.Noted = true
		default:
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

// option4 returns the first option of options, which must not be empty. The end
// of options list and all bytes after it count as one option.
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

// validRoute4 reports whether a source route option is well formed. It consists
// of type, length, a pointer and addresses. The pointer, counted from 1, points
// to one of the addresses, or after all of them.
func validRoute4(option []byte) bool {
	if len(option) < 3 || len(option)%4 != 3 {
		return false
	}
	pointer := int(option[2])
	return pointer > len(option) || pointer >= 4 && pointer%4 == 0
}
