package wire_test

import (
	"fmt"
	"log"

	"github.com/ipqueue/ipqueue/wire"
)

// receiveDatagram returns the datagram that a netlink socket would receive for a
// packet of 21 bytes in queue 3.
func receiveDatagram() []byte {
	body := newNFQ(2, 3).attr(1, 0, 0, 0, 9, 0x08, 0x00, 1).be32(5, 2).attr(10, []byte("E...................x")...)
	return body.message(wire.Header{Type: wire.NFQPacketType})
}

// Decode a packet of nfnetlink_queue and encode the verdict that accepts it.
func ExampleNFQPacket_Parse() {
	var h wire.Header
	body, err := h.Parse(wire.Native(), receiveDatagram())
	if err != nil {
		log.Fatal(err)
	}
	var p wire.NFQPacket
	if err := p.Parse(body); h.Type != wire.NFQPacketType || err != nil {
		log.Fatal(h.Type, err)
	}
	fmt.Println("queue", p.Queue, "packet", p.ID, "at", p.Hook, "with", len(p.Payload), "bytes")
	if p.Has&wire.HasInDev != 0 {
		fmt.Println("received on interface", p.InDev)
	}

	v := wire.NFQVerdict{Queue: p.Queue, ID: p.ID, Verdict: wire.VerdictAccept, SetMark: true, Mark: 7}
	var buf [64]byte
	msg := wire.AppendNFQVerdict(buf[:0], 0, p.ID, 0, &v)
	fmt.Println("verdict of", len(msg), "bytes")
	// Output:
	// queue 3 packet 9 at input with 21 bytes
	// received on interface 2
	// verdict of 40 bytes
}

// Decode a packet that ip_queue of a 64-bit big-endian kernel sent, and encode a
// verdict that replaces it. This works on every machine.
func ExampleIPQPacket_Parse() {
	const kernel = wire.BE64
	body := make([]byte, kernel.IPQPacketLen(), 200)
	body[7] = 0x60                                     // packet_id
	copy(body[52:], "eth0")                            // outdev_name
	body[35] = byte(wire.HookPostrouting)              // hook
	body[95] = 21                                      // data_len
	body = append(body, "E...................xpad"...) // the packet, padded to a multiple of 4

	var p wire.IPQPacket
	if err := p.Parse(kernel, body); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("packet %#x at %v to %q with %d bytes\n", p.ID, p.Hook, p.OutDev, len(p.Payload))

	msg := kernel.AppendIPQVerdict(nil, wire.FlagAck, 1, 4711, p.ID, wire.VerdictAccept, []byte("E...................changed"))
	fmt.Println("verdict of", len(msg), "bytes")
	// Output:
	// packet 0x60 at postrouting to "eth0" with 21 bytes
	// verdict of 67 bytes
}

// Decode an error reply and find the packet whose verdict the kernel refused.
func ExampleLayout_ParseError() {
	l := wire.Native()
	refused := wire.AppendNFQVerdict(nil, 0, 1, 0, &wire.NFQVerdict{Queue: 3, ID: 9, Verdict: wire.VerdictAccept})
	reply := machineReply(2, refused) // ENOENT

	var h wire.Header
	body, err := h.Parse(l, reply)
	if err != nil {
		log.Fatal(err)
	}
	m, err := l.ParseError(h, body)
	if err != nil {
		log.Fatal(err)
	}
	var v wire.NFQVerdict
	if err := v.Parse(m.Body); err != nil {
		log.Fatal(err)
	}
	fmt.Println("packet", v.ID, "of queue", v.Queue, "refused with errno", m.Errno)
	// Output: packet 9 of queue 3 refused with errno 2
}

// machineReply returns the kernel's reply to a refused request.
func machineReply(errno int32, request []byte) []byte {
	l := wire.Native()
	b := l.AppendHeader(nil, wire.Header{Len: uint32(20 + len(request)), Type: wire.NLMsgError})
	n := len(b)
	b = append(b, l.AppendHeader(nil, wire.Header{Len: uint32(-errno)})[:4]...)
	return append(b[:n+4], request...)
}

// Encode a request that creates queue 3, copies whole packets, and leaves large
// packets unsplit.
func ExampleAppendNFQConfig() {
	c := wire.NFQConfig{
		Queue:   3,
		Command: wire.CommandBind,
		SetMode: true,
		Mode:    wire.CopyPacket,
		Flags:   wire.ConfigGSO,
		Mask:    wire.ConfigGSO,
	}
	msg := wire.AppendNFQConfig(nil, wire.FlagAck, 1, 0, &c)
	var back wire.NFQConfig
	if err := back.Parse(msg[wire.HeaderLen:]); err != nil {
		log.Fatal(err)
	}
	fmt.Println(back.Command, "queue", back.Queue, "mode", back.Mode, "flags", back.Flags)
	// Output: bind queue 3 mode packet flags gso
}

// Walk the attributes of a connection tracking entry.
func ExampleNextAttr() {
	var p wire.NFQPacket
	p.Conntrack = wire.AppendAttr(p.Conntrack, 3, []byte{0, 0, 1, 0x8e}) // CTA_STATUS
	p.Conntrack = wire.AppendAttr(p.Conntrack, 8, []byte{0, 0, 0, 7})    // CTA_MARK
	for b := p.Conntrack; len(b) > 0; {
		a, rest, err := wire.NextAttr(b)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(a.Type, a.Data)
		b = rest
	}
	// Output:
	// 3 [0 0 1 142]
	// 8 [0 0 0 7]
}

// Read how many packets a queue has lost.
func ExampleParseNFQStatus() {
	text := []byte("    0   4711    12 2 65531     3    40     9999  1\n")
	s, ok, err := wire.ParseNFQStatus(text, 0)
	if err != nil || !ok {
		log.Fatal(ok, err)
	}
	fmt.Println(s.Pending, "waiting,", s.QueueDropped, "dropped (queue full),", s.UserDropped, "not delivered to the socket")
	// Output: 12 waiting, 3 dropped (queue full), 40 not delivered to the socket
}
