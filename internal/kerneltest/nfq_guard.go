package kerneltest

import "bytes"

// mayBecome reports whether Linux 7.2 and later accept a replacement. They accept
// none for a bridged packet. For IP, the headers before the transport header must
// keep their length and meaning (nfqnl_validate_write).
func (p *Packet) mayBecome(payload []byte) bool {
	switch p.Family {
	case Bridge:
		return false
	case IPv4:
		return sameIPv4(p.Payload, payload)
	case IPv6:
		return sameIPv6(p.Payload, payload)
	}
	return false
}

// sameIPv4 compares header length, options, and fragment bits except DF. The length
// of the packet must equal that in its header.
func sameIPv4(old, b []byte) bool {
	n := networkHeader(old)
	if n < 20 || len(b) < n || b[0] != old[0] || int(network.Uint16(b[2:])) != len(b) {
		return false
	}
	const dontFragment = 0x4000
	fragment := func(b []byte) uint16 { return network.Uint16(b[6:]) &^ dontFragment }
	return fragment(b) == fragment(old) && bytes.Equal(b[20:n], old[20:n])
}

// sameIPv6 compares the extension headers. The length of the packet must equal that
// in its header.
func sameIPv6(old, b []byte) bool {
	n := extensions(old)
	if len(old) < 40 || len(b) < n || b[0]>>4 != 6 || int(network.Uint16(b[4:])) != len(b)-40 {
		return false
	}
	return b[6] == old[6] && bytes.Equal(b[40:n], old[40:n])
}

// extensions returns the offset of the end of an IPv6 packet's extension headers.
func extensions(b []byte) int {
	n := 40
	if len(b) < n {
		return n
	}
	for next := b[6]; len(b) >= n+8; {
		length := 8 * (int(b[n+1]) + 1)
		switch next {
		case 0, 43, 60: // hop-by-hop options, routing, destination options
		case 44: // fragment
			length = 8
		case 51: // authentication
			length = 4 * (int(b[n+1]) + 2)
		default:
			return n
		}
		if len(b) < n+length {
			return n
		}
		next, n = b[n], n+length
	}
	return n
}
