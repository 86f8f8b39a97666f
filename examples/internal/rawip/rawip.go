// Package rawip sends complete IP packets, including their headers. On systems
// other than Linux, every function returns an error that matches
// errors.ErrUnsupported.
package rawip

import (
	"errors"
	"fmt"
	"net/netip"
)

// A Socket sends packets of both IP versions. Its methods may be called from
// any goroutine, but not after Close.
type Socket struct{ four, six int } // descriptors

// Open returns a socket whose packets have the given firewall mark, by which
// rules can recognize them. It requires CAP_NET_RAW and, for a mark other than
// 0, CAP_NET_ADMIN. If the system lacks one of the IP versions, Open returns a
// socket for the other one, and Send fails with EAFNOSUPPORT for packets of the
// missing one.
func Open(mark uint32) (*Socket, error) { return open(mark) }

// Send sends a packet to the destination in its header, through the Output hook
// of the host. It keeps no reference to the packet. It does not block: if the
// socket's buffer is full, the packet is lost and the error is EAGAIN. The
// checksums must be correct, except that of the IPv4 header, which the kernel
// computes. A packet larger than the MTU is refused with EMSGSIZE. Link-local
// destinations are not supported, because they need an interface.
func (s *Socket) Send(packet []byte) error {
	destination, err := destination(packet)
	if err != nil {
		return err
	}
	return s.send(packet, destination)
}

// Close releases the socket.
func (s *Socket) Close() error { return s.close() }

var errNoPacket = errors.New("rawip: not a whole IP header")

// destination reads the address from the packet's header (RFC 791, RFC 8200).
func destination(packet []byte) (netip.Addr, error) {
	switch {
	case len(packet) >= 20 && packet[0]>>4 == 4:
		return netip.AddrFrom4([4]byte(packet[16:])), nil
	case len(packet) >= 40 && packet[0]>>4 == 6:
		return netip.AddrFrom16([16]byte(packet[24:])), nil
	}
	return netip.Addr{}, fmt.Errorf("%w in %d bytes", errNoPacket, len(packet))
}
