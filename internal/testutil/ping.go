package testutil

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"github.com/ipqueue/ipqueue/internal/netns"
)

// An echo contains the differences between the echo messages of RFC 792 and RFC 4443.
type echo struct {
	network        string
	protocol       int // IANA's number
	request, reply icmp.Type
}

var (
	echo4 = echo{"ip4:icmp", 1, ipv4.ICMPTypeEcho, ipv4.ICMPTypeEchoReply}
	echo6 = echo{"ip6:ipv6-icmp", 58, ipv6.ICMPTypeEchoRequest, ipv6.ICMPTypeEchoReply}
)

// Ping sends an ICMP echo request from the namespace and waits for the reply. It
// returns nil if the reply has the same payload. If no reply arrives in time, the
// error matches os.ErrDeadlineExceeded.
func Ping(n *netns.Namespace, addr netip.Addr, payload []byte, within time.Duration) error {
	kind := echo4
	if addr.Is6() {
		kind = echo6
	}
	var conn *icmp.PacketConn
	err := n.Do(func() (err error) {
		conn, err = icmp.ListenPacket(kind.network, "")
		return err
	})
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(within)); err != nil {
		return err
	}
	body := &icmp.Echo{ID: int(rand.Uint32() & 0xffff), Seq: int(rand.Uint32() & 0xffff), Data: payload}
	request, err := (&icmp.Message{Type: kind.request, Body: body}).Marshal(nil)
	if err != nil {
		return err
	}
	if _, err := conn.WriteTo(request, &net.IPAddr{IP: addr.AsSlice(), Zone: addr.Zone()}); err != nil {
		return err
	}
	return kind.await(conn, body)
}

// A reader is the part of net.PacketConn that await uses.
type reader interface {
	ReadFrom([]byte) (int, net.Addr, error)
}

// await reads until the reply to request arrives. A raw socket receives every ICMP
// message of its namespace; on loopback this includes the request.
func (k echo) await(conn reader, request *icmp.Echo) error {
	b := make([]byte, 64<<10)
	for {
		n, _, err := conn.ReadFrom(b)
		if err != nil {
			return err
		}
		m, err := icmp.ParseMessage(k.protocol, b[:n])
		if err != nil || m.Type != k.reply {
			continue
		}
		got, ok := m.Body.(*icmp.Echo)
		if !ok || got.ID != request.ID || got.Seq != request.Seq {
			continue
		}
		if !bytes.Equal(got.Data, request.Data) {
			return fmt.Errorf("echo reply of %d bytes %.60q, want %d bytes %.60q",
				len(got.Data), got.Data, len(request.Data), request.Data)
		}
		return nil
	}
}
