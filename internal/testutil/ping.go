package testutil

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"github.com/ipqueue/ipqueue/internal/netns"
)

// icmp is what differs between the echo messages of RFC 792 and RFC 4443.
type icmp struct {
	network        string
	request, reply byte
	checksum       bool // the sender computes it; for ICMPv6 the kernel does
}

var (
	icmp4 = icmp{network: "ip4:1", request: 8, reply: 0, checksum: true}
	icmp6 = icmp{network: "ip6:58", request: 128, reply: 129}
)

// Ping sends an ICMP echo request from the namespace and waits for the reply.
// It returns nil if that carries the same payload. If nothing comes within the
// time the error matches os.ErrDeadlineExceeded.
func Ping(n *netns.Namespace, addr netip.Addr, payload []byte, within time.Duration) error {
	kind := icmp4
	if addr.Is6() {
		kind = icmp6
	}
	var conn net.PacketConn
	err := n.Do(func() (err error) {
		conn, err = net.ListenPacket(kind.network, "")
		return err
	})
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(within)); err != nil {
		return err
	}
	request := kind.echo(payload)
	if _, err := conn.WriteTo(request, &net.IPAddr{IP: addr.AsSlice(), Zone: addr.Zone()}); err != nil {
		return err
	}
	return kind.await(conn, request)
}

// echo returns a request: type, code, checksum, identifier, sequence number,
// payload.
func (k icmp) echo(payload []byte) []byte {
	b := []byte{k.request, 0, 0, 0}
	b = binary.BigEndian.AppendUint32(b, rand.Uint32())
	b = append(b, payload...)
	if k.checksum {
		binary.BigEndian.PutUint16(b[2:], onesComplement(b))
	}
	return b
}

// await reads until the reply to request. A raw socket hears every ICMP
// message of its namespace, on loopback the request too.
func (k icmp) await(conn net.PacketConn, request []byte) error {
	b := make([]byte, 64<<10)
	for {
		n, _, err := conn.ReadFrom(b)
		if err != nil {
			return err
		}
		if n < 8 || b[0] != k.reply || !bytes.Equal(b[4:8], request[4:8]) {
			continue
		}
		if got, want := b[8:n], request[8:]; !bytes.Equal(got, want) {
			return fmt.Errorf("echo reply of %d bytes %.60q, want %d bytes %.60q", len(got), got, len(want), want)
		}
		return nil
	}
}

// onesComplement is the checksum of RFC 1071.
func onesComplement(b []byte) uint16 {
	var sum uint32
	for i, octet := range b {
		sum += uint32(octet) << (8 * (1 - i%2))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
