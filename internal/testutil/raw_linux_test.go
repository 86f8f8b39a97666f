package testutil

import (
	"encoding/binary"
	"net"
	"testing"

	"github.com/ipqueue/ipqueue/checksum"
	"github.com/ipqueue/ipqueue/internal/netns"
)

func TestSetMark(t *testing.T) {
	requireInside(t)
	n := NewNamespace(t)
	table, err := n.AddTable(netns.IPv4, "test")
	if err != nil {
		t.Fatal(err)
	}
	const mark = 0x81234567 // its sign must not matter
	chain, err := table.AddChain(netns.Output, 0, netns.Rule{Mark: netns.MarkIs(mark)})
	if err != nil {
		t.Fatal(err)
	}
	client, server := UDP(t, n, n, Loopback(t).IPv4)
	SetMark(t, client, mark)
	EchoUDP(t, client, server, []byte("only the client's is marked"))
	if counts, err := chain.Counts(); err != nil || counts[0] != 1 {
		t.Errorf("%d packets have the mark, %v, want 1", counts, err)
	}
}

func TestSendFrame(t *testing.T) {
	requireInside(t)
	near, far := Veth(t, NewNamespace(t), NewNamespace(t), 7)
	_, server := UDP(t, far.NS, far.NS, far.IPv4)
	var hardware net.HardwareAddr
	err := far.NS.Do(func() error {
		device, err := net.InterfaceByName(far.Link.Name)
		if err == nil {
			hardware = device.HardwareAddr
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	const payload = "in a frame"
	SendFrame(t, near, udpFrame(hardware, near, far, server.LocalAddr().(*net.UDPAddr).Port, payload))
	if got := string(Receive(t, server)); got != payload {
		t.Errorf("received %q, want %q", got, payload)
	}
}

// udpFrame is an Ethernet frame of an IPv4 packet of a UDP datagram without
// checksum.
func udpFrame(hardware net.HardwareAddr, from, to Host, port int, payload string) []byte {
	ip := []byte{0x45, 0, 0, byte(28 + len(payload)), 0, 0, 0, 0, 64, 17, 0, 0}
	ip = append(ip, from.IPv4.AsSlice()...)
	ip = append(ip, to.IPv4.AsSlice()...)
	binary.BigEndian.PutUint16(ip[10:], ^checksum.Fold(checksum.Sum(ip)))
	frame := append([]byte(nil), hardware...)
	frame = append(frame, 2, 0, 0, 0, 0, 1, 0x08, 0x00)
	frame = append(frame, ip...)
	frame = append(frame, 0, 9, byte(port>>8), byte(port), 0, byte(8+len(payload)), 0, 0)
	return append(frame, payload...)
}
