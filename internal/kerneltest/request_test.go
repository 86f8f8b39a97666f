package kerneltest

import (
	"testing"

	"github.com/ipqueue/ipqueue/internal/sock"
)

// nfqRequest returns a request to nfnetlink_queue with NLM_F_ACK.
func nfqRequest(kind uint16, number uint16, attributes ...[]byte) []byte {
	b := appendHeader(native, nil, header{kind: kind, flags: flagRequest | flagAck, seq: 1})
	b = network.AppendUint16(append(b, 0, 0), number)
	for _, a := range attributes {
		b = append(b, a...)
	}
	native.PutUint32(b, uint32(len(b)))
	return b
}

// silently removes NLM_F_ACK from a request.
func silently(b []byte) []byte {
	b[6] &^= flagAck
	b[7] &^= flagAck
	return b
}

func commandAttr(command byte) []byte { return appendAttribute(nil, configCommand, command, 0, 0, 0) }
func familyAttr(command byte, f Family) []byte {
	return appendAttribute(nil, configCommand, command, 0, 0, byte(f))
}

func bindAttr() []byte { return commandAttr(commandBind) }

func modeAttr(mode byte, size uint32) []byte {
	return appendAttribute(nil, configParams, append(network.AppendUint32(nil, size), mode)...)
}

func flagsAttr(flags uint32) []byte {
	return append(appendUint32(nil, configFlags, flags), appendUint32(nil, configMask, flags)...)
}

func lengthAttr(n uint32) []byte { return appendUint32(nil, configMaxLength, n) }

func verdictAttr(word, id uint32) []byte {
	return appendAttribute(nil, attrVerdictHeader, network.AppendUint32(network.AppendUint32(nil, word), id)...)
}

// bind binds a queue that copies whole packets.
func bind(t *testing.T, s *Socket, number uint16, attributes ...[]byte) {
	t.Helper()
	all := append([][]byte{bindAttr(), modeAttr(nfqCopyPacket, 0)}, attributes...)
	if errno := request(t, s, native, nfqRequest(nfqConfig, number, all...)); errno != 0 {
		t.Fatalf("bind %d: %v", number, errno)
	}
}

// decide sends a verdict. It fails the test if that is refused.
func decide(t *testing.T, s *Socket, number uint16, word, id uint32, attributes ...[]byte) {
	t.Helper()
	all := append([][]byte{verdictAttr(word, id)}, attributes...)
	if errno := request(t, s, native, nfqRequest(nfqVerdict, number, all...)); errno != 0 {
		t.Fatalf("verdict %#x for %d: %v", word, id, errno)
	}
}

// boundNFQ returns a kernel whose queue 0 is bound.
func boundNFQ(t *testing.T, o Options, attributes ...[]byte) (*Kernel, *Socket) {
	t.Helper()
	k := New(o)
	s := open(t, k, sock.Config{Protocol: sock.ProtoNetfilter})
	bind(t, s, 0, attributes...)
	return k, s
}

// packets returns the attributes of all packet messages in the receive buffer.
func packets(t *testing.T, s *Socket) (all []attributes) {
	t.Helper()
	for _, b := range receive(t, s) {
		if native.Uint16(b[4:]) != nfqPacket {
			continue
		}
		a, errno := parseAttributes(b[headerLen+nfgenLen:], attrMax, nil)
		if errno != 0 {
			t.Fatalf("packet %x: %v", b, errno)
		}
		all = append(all, a)
	}
	return all
}

// idOf returns the id of the packet.
func idOf(a attributes) uint32 { return network.Uint32(a[attrPacketHeader]) }

// ipqRequest returns a request to ip_queue with NLM_F_ACK.
func ipqRequest(a abi, kind uint16, port uint32, body []byte) []byte {
	h := header{uint32(headerLen + len(body)), kind, flagRequest | flagAck, 1, port}
	return append(appendHeader(a.order, nil, h), body...)
}

func ipqModeBody(a abi, mode byte, size uint64) []byte {
	b := a.appendLong(a.fill([]byte{mode}, 0), size)
	return append(b, make([]byte, a.peer-len(b))...)
}

func ipqVerdictBody(a abi, value uint32, id uint64, payload []byte) []byte {
	b := a.fill(a.order.AppendUint32(nil, value), 0)
	return append(a.appendLong(a.appendLong(b, id), uint64(len(payload))), payload...)
}

// boundIPQ returns a kernel whose ip_queue copies whole packets to the socket.
func boundIPQ(t *testing.T, o Options, c sock.Config) (*Kernel, *Socket, abi) {
	t.Helper()
	o.Modules |= IPQueue | IP6Queue
	c.Protocol = or(c.Protocol, sock.ProtoFirewall)
	k := New(o)
	s := open(t, k, c)
	a := o.Layout.abi()
	b := ipqRequest(a, ipqmMode, s.Port(), ipqModeBody(a, ipqCopyPacket, 0))
	if errno := request(t, s, a.order, b); errno != 0 {
		t.Fatalf("mode: %v", errno)
	}
	return k, s, a
}

// ipv4 returns a UDP packet over IPv4 with the data.
func ipv4(data string) []byte {
	b := []byte{0x45, 0, 0, 0, 0, 1, 0, 0, 64, protoUDP, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1, 0x9c, 0x40, 0, 9, 0, 0, 0, 0}
	return measured(append(b, data...), 20)
}

// ipv6 returns a UDP packet over IPv6 with the data.
func ipv6(data string) []byte {
	b := make([]byte, 48)
	b[0], b[6], b[7], b[23], b[39], b[43] = 0x60, protoUDP, 64, 1, 1, 9
	return measured(append(b, data...), 40)
}

// measured fills in the lengths and checksums of a UDP packet.
func measured(b []byte, head int) []byte {
	if head == 20 {
		network.PutUint16(b[2:], uint16(len(b)))
		network.PutUint16(b[10:], ^fold(sum(b[:head])))
	} else {
		network.PutUint16(b[4:], uint16(len(b)-head))
	}
	network.PutUint16(b[head+4:], uint16(len(b)-head))
	if t, ok := findTransport(b); ok {
		t.setChecksum(b)
	}
	return b
}
