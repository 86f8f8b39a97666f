package ip

import "encoding/binary"

// headerLen6 is the length of an IPv6 header (RFC 8200, section 3), whose
// fields read here are
//
//	 4 payload length
//	 6 next header
//	 8 source
//	24 destination
const headerLen6 = 40

func (h *Headers) parse6(packet []byte) {
	if len(packet) < headerLen6 {
		h.Fault = HeaderCut
		return
	}
	h.Version, h.Protocol, h.Length, h.Transport = 6, packet[6], headerLen6, headerLen6
	h.source = 8
	for isExtension(h.Protocol) && h.skipExtension(packet) {
	}
}

// isExtension reports whether protocol is an extension header with a length, so
// that the next header can be found. ESP is not one: it hides what follows.
func isExtension(protocol uint8) bool {
	switch protocol {
	case hopByHop, routing, fragment, authentication, destination:
		return true
	}
	return false
}

// skipExtension parses the extension header at h.Transport and moves
// h.Transport past it. If nothing more can be parsed, it sets h.Transport to 0
// and returns false.
func (h *Headers) skipExtension(packet []byte) bool {
	at := h.Transport
	rest := packet[at:]
	h.Transport = 0
	if len(rest) < 8 {
		h.fail(ExtensionCut)
		return false
	}
	n := extensionLength(h.Protocol, rest)
	kind := h.Protocol
	h.Protocol = rest[0]
	if n > len(rest) {
		h.fail(ExtensionCut)
		return false
	}
	switch kind {
	case hopByHop, destination:
		h.options6(kind, packet[:at+n], at)
	case routing:
		h.followRoute(packet[at:at+n], at)
	case fragment:
		// With offset 0 and no more fragments, it is a whole packet, an "atomic
		// fragment" (RFC 6946).
		offset := binary.BigEndian.Uint16(rest[2:])
		h.Fragment = h.Fragment || offset&^6 != 0
		if offset&^7 != 0 {
			return false
		}
	}
	h.Transport = at + n
	return true
}

// extensionLength returns the length of an extension header.
func extensionLength(protocol uint8, header []byte) int {
	switch protocol {
	case fragment:
		return 8 // byte 1 is reserved, RFC 8200, section 4.5
	case authentication:
		return 8 + 4*int(header[1]) // RFC 4302, section 2.2
	}
	return 8 + 8*int(header[1])
}

// IPv6 option types. Pad1 is a single byte. In the others, the next byte is the
// length of the data.
const (
	optionPad1        = 0
	optionJumbo       = 0xc2 // RFC 2675, in hop-by-hop headers
	optionHomeAddress = 0xc9 // RFC 6275, in destination options headers
)

// options6 parses the options of the hop-by-hop or destination options header
// from start to the end of packet.
func (h *Headers) options6(kind uint8, packet []byte, start int) {
	for at := start + 2; at < len(packet); {
		if packet[at] == optionPad1 {
			at++
			continue
		}
		if at+2 > len(packet) || at+2+int(packet[at+1]) > len(packet) {
			h.fail(BadOption)
			return
		}
		h.option6(kind, packet[at], at+2, int(packet[at+1]))
		at += 2 + int(packet[at+1])
	}
}

// option6 handles an option whose n bytes of data are at offset at. If there
// are several jumbo options, the first one counts, because it must be in the
// first header. If there are several home address options, the last one counts.
func (h *Headers) option6(kind, option uint8, at, n int) {
	switch {
	case kind == hopByHop && option == optionJumbo && n != 4:
		h.fail(BadJumbo)
	case kind == hopByHop && option == optionJumbo && h.Jumbo == 0:
		h.Jumbo = at
	case kind == destination && option == optionHomeAddress && n != 16:
		h.fail(BadHomeAddress)
	case kind == destination && option == optionHomeAddress:
		h.source = at
	}
}
