package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/ipqueue/ipqueue/checksum"
	"github.com/ipqueue/ipqueue/internal/testutil"
	"github.com/ipqueue/ipqueue/queue/queuetest"
)

// onKernel starts the program on a simulated kernel.
func onKernel(t *testing.T, args ...string) (*queuetest.Kernel, *queuetest.Program, *testutil.Output) {
	t.Helper()
	o, err := parseLine(append(args, "blocked.example", ".ads.example")...)
	if err != nil {
		t.Fatal(err)
	}
	k := queuetest.New(t, queuetest.Options{})
	out := new(testutil.Output)
	return k, k.Go(func(ctx context.Context) error { return run(ctx, o, nil, out) }), out
}

const server4, client4, server6, client6 = "192.0.2.53:53", "192.0.2.1:5000", "[2001:db8::53]:53", "[2001:db8::1]:5000"

// datagrams returns the message in packets of both IP versions.
func datagrams(message []byte) []queuetest.Packet {
	return []queuetest.Packet{queuetest.UDP(server4, client4, message), queuetest.UDP(server6, client6, message)}
}

// listedMessage returns a response that the filter replaces, and its
// replacement.
func listedMessage(t *testing.T) (was, is []byte) {
	t.Helper()
	was = newBuilder(1, 0).record("", 5, bad).b
	return was, newSink(t, noName).judge(was).reply
}

func TestReplaced(t *testing.T) {
	k, p, out := onKernel(t)
	was, is := listedMessage(t)
	for i, d := range datagrams(was) {
		k.Send(d).WantReplaced(datagrams(is)[i])
	}
	for _, d := range datagrams(newBuilder(1, 0).record("", 5, good).b) {
		k.Send(d).WantAccepted()
	}
	for _, d := range datagrams(newBuilder(2, 0).record("", 5, good).b) {
		k.Send(d).WantDropped()
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	for _, want := range []string{
		"dnssink: 2 names block; answer nxdomain, queue 0\n",
		"nxdomain  A      www.example > x.ADS.example               UDP 192.0.2.53:53 > 192.0.2.1:5000\n",
		"drop      A      www.example the message ends early        UDP 192.0.2.53:53 > 192.0.2.1:5000\n",
		"dnssink: 6 received, 2 blocked, 2 unreadable and dropped, 0 passed undecided\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("printed\n%swant\n%s", out, want)
		}
	}
}

func TestUnreadableAccepted(t *testing.T) {
	k, p, out := onKernel(t, "-unreadable", "accept")
	for _, d := range datagrams(newBuilder(2, 0).record("", 5, good).b) {
		k.Send(d).WantAccepted()
	}
	for _, d := range datagrams(newBuilder(2, 0).record("", 5, bad).b) {
		d := k.Send(d)
		if !d.Wait().Replaced {
			t.Error("a listed message whose rest is unreadable has passed")
		}
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	if want := "2 blocked, 2 unreadable and passed"; !strings.Contains(out.String(), want) {
		t.Errorf("printed\n%swant %s", out, want)
	}
}

// repaired returns the packet with correct checksums.
func repaired(t *testing.T, b []byte) queuetest.Packet {
	t.Helper()
	_ = checksum.Fix(b) // a fragment keeps its transport checksum
	return queuetest.Packet{Payload: b}
}

// TestSurplus adds bytes after the end that the UDP or IP length gives. They
// are not part of the message: they hide no listed name, they are not examined,
// and the replacement does not contain them.
func TestSurplus(t *testing.T) {
	k, _, _ := onKernel(t)
	was, is := listedMessage(t)
	rest := bytes.Repeat([]byte("rest"), 9)
	for i, d := range datagrams(was) {
		longer := slices.Concat(d.Payload, rest) // after the IP packet
		k.Send(queuetest.Packet{Payload: longer}).WantReplaced(datagrams(is)[i])
		lengthen(longer, len(rest)) // after the datagram
		k.Send(repaired(t, longer)).WantReplaced(datagrams(is)[i])
	}
	for _, d := range datagrams(newBuilder(2, 0).record("", 5, good).b) {
		hidden := slices.Concat(d.Payload, newBuilder(0, 0).record("", 5, bad).b)
		lengthen(hidden, len(hidden)-len(d.Payload))
		k.Send(repaired(t, hidden)).WantDropped() // because its second record is missing
	}
}

// lengthen changes the length in the IP header.
func lengthen(packet []byte, by int) {
	at := 2
	if packet[0]>>4 == 6 {
		at = 4
	}
	binary.BigEndian.PutUint16(packet[at:], binary.BigEndian.Uint16(packet[at:])+uint16(by))
}

// TestUDPLength checks datagrams whose UDP length does not match the packet. If
// it is larger, the datagram is incomplete. On IPv6, 0 means the whole packet.
func TestUDPLength(t *testing.T) {
	k, _, _ := onKernel(t)
	was, is := listedMessage(t)
	fine := newBuilder(1, 0).record("", 5, good).b
	for i, header := range []int{20, 40} {
		d := datagrams(fine)[i].Payload
		binary.BigEndian.PutUint16(d[header+4:], uint16(len(d)))
		k.Send(queuetest.Packet{Payload: d}).WantDropped()
		d = datagrams(was)[i].Payload
		binary.BigEndian.PutUint16(d[header+4:], 0)
		if i == 1 {
			k.Send(queuetest.Packet{Payload: d}).WantReplaced(datagrams(is)[i])
		}
		d = datagrams(was)[i].Payload
		binary.BigEndian.PutUint16(d[header+4:], 7)
		k.Send(queuetest.Packet{Payload: d}).WantAccepted() // no receiver accepts it
	}
}

// TestFragments checks that the filter neither reassembles fragments nor
// replaces one by a whole packet.
func TestFragments(t *testing.T) {
	was, _ := listedMessage(t)
	fine := newBuilder(1, 0).record("", 5, good).b
	k, _, _ := onKernel(t)
	for _, message := range [][]byte{was, fine} {
		for _, first := range fragments(t, message, 48) {
			k.Send(first[0]).WantDropped()
			k.Send(first[1]).WantAccepted() // useless without the first
		}
	}
	lenient, _, _ := onKernel(t, "-unreadable", "accept")
	for _, whole := range fragments(t, was, len(was)+8) { // marked as if more fragments followed
		lenient.Send(whole[0]).WantDropped()
	}
	for _, part := range fragments(t, fine, 48) {
		lenient.Send(part[0]).WantAccepted()
	}
}

// fragments returns the datagram of the message in both IP versions, each as
// two fragments. The first has cut bytes of the datagram.
func fragments(t *testing.T, message []byte, cut int) (all [][2]queuetest.Packet) {
	t.Helper()
	d := datagrams(message)
	four, six := d[0].Payload, d[1].Payload
	part4 := func(body []byte, field uint16) queuetest.Packet {
		b := slices.Concat(four[:20], body)
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
		binary.BigEndian.PutUint16(b[6:], field)
		return repaired(t, b)
	}
	part6 := func(body []byte, field uint16) queuetest.Packet {
		extension := []byte{protocolUDP, 0, byte(field >> 8), byte(field), 0, 0, 0, 1}
		options := []byte{44, 0, 1, 4, 0, 0, 0, 0} // hop-by-hop options before the fragment header
		b := slices.Concat(six[:40], options, extension, body)
		b[6] = 0
		binary.BigEndian.PutUint16(b[4:], uint16(len(b)-40))
		return queuetest.Packet{Payload: b}
	}
	const more4, more6 = 0x2000, 1
	return [][2]queuetest.Packet{
		{part4(four[20:20+cut], more4), part4(four[20+cut:], uint16(cut/8))},
		{part6(six[40:40+cut], more6), part6(six[40+cut:], uint16(cut))},
	}
}

// TestAtomicFragment checks that a packet with a fragment header that is no
// fragment (RFC 6946) is treated like any other.
func TestAtomicFragment(t *testing.T) {
	k, _, _ := onKernel(t)
	was, is := listedMessage(t)
	wrapped := func(message []byte) queuetest.Packet {
		d := datagrams(message)[1].Payload
		b := slices.Concat(d[:40], []byte{protocolUDP, 0, 0, 0, 0, 0, 0, 1}, d[40:])
		b[6] = 44
		binary.BigEndian.PutUint16(b[4:], uint16(len(b)-40))
		return repaired(t, b)
	}
	k.Send(wrapped(was)).WantReplaced(wrapped(is))
}

func TestConnection(t *testing.T) {
	for _, ends := range [][2]string{{server4, client4}, {server6, client6}} {
		k, _, out := onKernel(t)
		fine, bad := messages(t)
		send := func(h queuetest.TCPHeader, data []byte) *queuetest.Sent {
			return k.Send(queuetest.TCP(ends[0], ends[1], h, data))
		}
		send(queuetest.TCPHeader{Seq: 99, Ack: 7, Flags: queuetest.SYN | queuetest.ACK}, nil).WantAccepted()
		send(queuetest.TCPHeader{Seq: 100, Ack: 8, Flags: queuetest.ACK | queuetest.PSH}, framed(fine)).WantAccepted()
		next := uint32(100 + len(framed(fine)))
		send(queuetest.TCPHeader{Seq: next + 1, Ack: 8, Flags: queuetest.ACK}, framed(bad)[1:]).WantDropped()
		send(queuetest.TCPHeader{Seq: next, Ack: 8, Flags: queuetest.ACK}, framed(bad)[:1]).WantAccepted()
		h := queuetest.TCPHeader{Seq: next + 1, Ack: 8, Flags: queuetest.RST | queuetest.ACK}
		refused := send(queuetest.TCPHeader{Seq: next + 1, Ack: 8, Flags: queuetest.ACK | queuetest.PSH}, framed(bad)[1:])
		refused.WantReplaced(queuetest.TCP(ends[0], ends[1], h, nil))
		h.Flags = queuetest.ACK
		send(queuetest.TCPHeader{Seq: next + 1, Ack: 8, Flags: queuetest.ACK}, framed(bad)[1:]).WantReplaced(queuetest.TCP(ends[0], ends[1], h, nil))
		out.Await(t, "reset     A      www.example > x.ads.example               TCP "+ends[0]+" > "+ends[1]+"\n")
	}
}

func TestConnectionDropped(t *testing.T) {
	k, _, out := onKernel(t, "-answer", "drop")
	q := framed(pack(t, query(ask("blocked.example.", dnsmessage.TypeHTTPS))))
	k.Send(queuetest.TCP(client4, server4, queuetest.TCPHeader{Seq: 99, Flags: queuetest.SYN}, nil)).WantAccepted()
	for range 3 {
		k.Send(queuetest.TCP(client4, server4, queuetest.TCPHeader{Seq: 100, Flags: queuetest.ACK}, q)).WantDropped()
	}
	out.Await(t, "drop      HTTPS  blocked.example                           TCP "+client4+" > "+server4+"\n")
}

// TestConnectionFragment checks fragments of a TCP segment. A fragment does not
// show what its receiver will reassemble.
func TestConnectionFragment(t *testing.T) {
	k, _, _ := onKernel(t)
	fine, _ := messages(t)
	k.Send(queuetest.TCP(server4, client4, queuetest.TCPHeader{Seq: 99, Flags: queuetest.SYN | queuetest.ACK}, nil)).WantAccepted()
	d := queuetest.TCP(server4, client4, queuetest.TCPHeader{Seq: 100, Flags: queuetest.ACK}, framed(fine))
	d.Payload[6] |= 0x20
	k.Send(repaired(t, d.Payload)).WantDropped()
}

// TestOddPackets checks that every packet gets a verdict, whatever its headers
// contain.
func TestOddPackets(t *testing.T) {
	k, _, _ := onKernel(t)
	fine, bad := messages(t)
	var seeds [][]byte
	for _, message := range [][]byte{fine, bad} {
		for _, d := range datagrams(message) {
			seeds = append(seeds, d.Payload)
		}
		for _, whole := range fragments(t, message, 48) {
			seeds = append(seeds, whole[0].Payload, whole[1].Payload)
		}
		seeds = append(seeds, queuetest.TCP(server6, client6, queuetest.TCPHeader{Flags: queuetest.ACK}, framed(message)).Payload,
			queuetest.TCP(server4, client4, queuetest.TCPHeader{Flags: queuetest.ACK, Options: make([]byte, 8)}, framed(message)).Payload)
	}
	random := rand.New(rand.NewPCG(3, 4))
	for i := range 3000 {
		b := slices.Clone(seeds[i%len(seeds)])
		for range random.IntN(4) {
			b[1+random.IntN(min(80, len(b)-1))] = byte(random.Uint32()) // not the version, which selects the queue
		}
		b = b[:len(b)-random.IntN(len(b))*random.IntN(2)]
		if o := k.Send(queuetest.Packet{Payload: b}).Wait(); len(o.Verdicts) != 1 {
			t.Fatalf("verdicts %v for %x, want one", o.Verdicts, b)
		}
	}
}

// TestOtherProtocols checks that other protocols pass.
func TestOtherProtocols(t *testing.T) {
	k, _, _ := onKernel(t)
	k.Send(queuetest.EchoRequest("192.0.2.1", "192.0.2.2", 1, 2, []byte("blocked.example"))).WantAccepted()
	k.Send(queuetest.IP("192.0.2.1", "192.0.2.2", 47, []byte("blocked.example"))).WantAccepted()
	k.Send(queuetest.UDP(server4, client4, nil)).WantAccepted()
}
