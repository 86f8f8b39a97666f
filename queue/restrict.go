package queue

import (
	"bytes"

	"github.com/ipqueue/ipqueue/internal/ip"
)

// restrictedChange names what a replacement changes that Linux 7.2 and later do
// not let it change, "" if nothing. Such a kernel drops the packet and reports
// success (net/netfilter/nfnetlink_queue.c, nfqnl_validate_write). old is the
// packet, as far as it was copied, and b the replacement with its lengths
// repaired; both are of the same IP version.
//
// Another IPv4 protocol is refused from 7.3 on, and only if the packet has a
// connection tracking entry, of which a program need not know.
func restrictedChange(old, b []byte) string {
	var was, is ip.Headers
	was.Parse(old)
	is.Parse(b)
	n := max(was.Transport, was.Length)
	switch {
	case was.Version == 0 || n > len(old) || was.Transport == 0 && !was.Fragment:
		return "IP headers of which the copy does not show the end"
	case is.Version != was.Version || is.Length != was.Length || len(b) < n:
		return "the length of the IP header"
	case was.Version == 4:
		return restricted4(old, b, was.Length)
	case b[6] != old[6] || !bytes.Equal(b[was.Length:n], old[was.Length:n]):
		return "the protocol or an IPv6 extension header"
	case int(lengthField(b)) != len(b)-was.Length:
		return unequalLength
	}
	return ""
}

const unequalLength = "an IP length that is not the number of bytes"

// restricted4 is restrictedChange for IPv4 headers of n bytes each.
func restricted4(old, b []byte, n int) string {
	const dontFragment = 0x40 // in byte 6
	switch {
	case !bytes.Equal(b[20:n], old[20:n]):
		return "the IPv4 options"
	case (b[6]^old[6])&^dontFragment != 0 || b[7] != old[7]:
		return "the fragment fields"
	case int(lengthField(b)) != len(b):
		return unequalLength
	case b[9] != old[9]:
		return "the protocol"
	}
	return ""
}
