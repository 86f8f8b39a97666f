package queue

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/ipqueue/ipqueue/checksum"
)

// version is the IP version of the packet, 0 if it is no IP packet.
func (p *Packet) version() int {
	switch {
	case p.Family == IPv4, p.Family == Bridge && p.HWProtocol == 0x0800:
		return 4
	case p.Family == IPv6, p.Family == Bridge && p.HWProtocol == 0x86dd:
		return 6
	}
	return 0
}

// checkPayload refuses a replacement that the kernel would silently ignore or
// drop, and one that is not what the caller can have meant.
func checkPayload(p *Packet, v *Verdict, limit int) error {
	b := v.Payload
	switch {
	case b == nil:
		return nil
	case len(b) > limit:
		return fmt.Errorf("%w: payload of %d bytes, the kernel takes %d", ErrInvalid, len(b), limit)
	case len(b) < minPayload(p.version()):
		return fmt.Errorf("%w: payload of %d bytes, its header alone has %d", ErrInvalid, len(b), minPayload(p.version()))
	case len(b) < p.headerLen():
		return fmt.Errorf("%w: payload of %d bytes, less than the %d of the old IP header", ErrInvalid, len(b), p.headerLen())
	case p.GSO() && len(b) != int(p.Length):
		return fmt.Errorf("%w: a GSO packet can be replaced at its own length only; Config.NoGSO avoids such packets",
			ErrUnsupported)
	case v.Raw || p.version() == 0:
		return nil
	case int(b[0]>>4) != p.version():
		return fmt.Errorf("%w: payload of IP version %d for a packet of version %d", ErrInvalid, b[0]>>4, p.version())
	case promisedLen(b) > len(b):
		return fmt.Errorf("%w: it has %d of %d; set its IP length if that is all", ErrTruncated, len(b), promisedLen(b))
	}
	return nil
}

// headerLen is the length of the packet's IPv4 header, 0 if it is none.
// nfnetlink_queue drops a packet that is replaced by less
// (nfnetlink_queue.c, nfqnl_mangle).
func (p *Packet) headerLen() int {
	if p.version() != 4 || len(p.Payload) == 0 {
		return 0
	}
	return int(p.Payload[0]&0xf) * 4
}

// minPayload is the length of the shortest packet of an IP version.
func minPayload(version int) int {
	switch version {
	case 4:
		return 20
	case 6:
		return 40
	}
	return 1
}

// promisedLen is the length of a packet according to its IP header.
func promisedLen(b []byte) int {
	if b[0]>>4 == 4 {
		return int(binary.BigEndian.Uint16(b[2:]))
	}
	return 40 + int(binary.BigEndian.Uint16(b[4:]))
}

// repair makes lengths and checksums of a replacement right. What checksum
// leaves alone on purpose (fragments, unknown protocols) is sent as it is.
func repair(b []byte) error {
	err := checksum.Resize(b)
	if err == nil {
		err = checksum.Fix(b)
	}
	if err == nil || errors.Is(err, checksum.ErrLeftAlone) {
		return nil
	}
	return fmt.Errorf("%w: payload cannot be repaired, ReplaceRaw sends it as it is: %w", ErrInvalid, err)
}
