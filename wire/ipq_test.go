package wire_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/ipqueue/ipqueue/wire"
)

func TestIPQSizes(t *testing.T) {
	for _, m := range machines {
		if got, want := m.layout.IPQPacketLen(), len(m.ipqPacket(&wire.IPQPacket{})); got != want {
			t.Errorf("%s: IPQPacketLen() = %d, want %d", m.name, got, want)
		}
		if got, want := len(m.layout.AppendIPQVerdict(nil, 0, 0, 1, 0, 0, nil)), wire.HeaderLen+len(m.ipqVerdict(0, 0, nil)); got != want {
			t.Errorf("%s: a verdict has %d bytes, want %d", m.name, got, want)
		}
	}
}

// decodedIPQ returns the packet that the independent decoding of c describes.
// Its payload is taken from the end of the datagram.
func decodedIPQ(t *testing.T, c capture) (want wire.IPQPacket, pad []byte) {
	t.Helper()
	f := fields(c.decoded)
	if f["pad"] != "-" {
		var err error
		if pad, err = hex.DecodeString(f["pad"]); err != nil {
			t.Fatal(err)
		}
	}
	end := len(c.data) - len(pad)
	sec, usec := stamp(t, f)
	return wire.IPQPacket{
		ID: num(t, f, "id"), HasID: true, Mark: uint32(num(t, f, "mark")), Hook: wire.Hook(num(t, f, "hook")),
		TimeSec: int64(sec), TimeUsec: int64(usec),
		InDev: []byte(f["in"]), OutDev: []byte(f["out"]),
		HWProtocol: uint16(num(t, f, "hw_protocol")), HWType: uint16(num(t, f, "hw_type")),
		HWAddrLen: uint8(num(t, f, "hw_addrlen")), HWAddr: hwAddr(t, f),
		Payload: c.data[end-int(num(t, f, "data_len")) : end],
	}, pad
}

// TestIPQPacketCaptures compares every packet of a real kernel, field by field,
// with its independent decoding, rebuilds the message from that, and decodes it
// once more as a big-endian kernel would have sent it.
func TestIPQPacketCaptures(t *testing.T) {
	for _, file := range []string{"ipq_packets_le32.hex", "ipq_errors_le32.hex", "ipq_packets_le64.hex", "ipq_errors_le64.hex"} {
		little, big := machines[0], machines[2]
		if strings.Contains(file, "64") {
			little, big = machines[1], machines[3]
		}
		for _, c := range captures(t, file) {
			if !c.is("IPQM_PACKET ") {
				continue
			}
			want, pad := decodedIPQ(t, c)
			var h wire.Header
			body, err := h.Parse(little.layout, c.data)
			if h.Type != wire.IPQPacketType || err != nil {
				t.Fatalf("%s: type %#x, error %v", c.name, h.Type, err)
			}
			checkIPQPacket(t, c.name, little.layout, body, &want)
			checkIPHeader(t, c, want.Payload)

			rebuilt := little.message(wire.Header{Type: wire.IPQPacketType}, little.ipqPacket(&want), len(pad))
			sameBytes(t, c.name+" rebuilt", append(rebuilt, pad...), c.data)
			checkIPQPacket(t, c.name+" big-endian", big.layout, append(big.ipqPacket(&want), pad...), &want)
		}
	}
}

func checkIPQPacket(t *testing.T, name string, l wire.Layout, body []byte, want *wire.IPQPacket) {
	t.Helper()
	var p wire.IPQPacket
	if err := p.Parse(l, body); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	if !reflect.DeepEqual(p, *want) {
		t.Errorf("%s: got\n%+v, want\n%+v", name, p, *want)
	}
	for _, s := range [][]byte{p.InDev, p.OutDev, p.Payload} {
		within(t, name, s, body)
	}
}

// checkIPHeader compares what the independent decoding says of the packet's
// own header, which shows that the payload starts where it should.
func checkIPHeader(t *testing.T, c capture, payload []byte) {
	t.Helper()
	f := fields(c.decoded)
	if _, ok := f["tot_len"]; ok && len(payload) >= 10 {
		total := uint64(payload[2])<<8 | uint64(payload[3])
		if payload[0] != 0x45 || total != num(t, f, "tot_len") || uint64(payload[9]) != num(t, f, "proto") {
			t.Errorf("%s: payload starts with %x", c.name, payload[:10])
		}
	}
	if _, ok := f["nexthdr"]; ok && (payload[0]>>4 != 6 || uint64(payload[6]) != num(t, f, "nexthdr")) {
		t.Errorf("%s: payload starts with %x", c.name, payload[:8])
	}
}

func TestIPQPacketParse(t *testing.T) {
	packets := map[string]wire.IPQPacket{
		"all fields": {
			ID: 0xdd8f3b40, Mark: 0xdeadbeef, TimeSec: 1795465746, TimeUsec: 999999, Hook: wire.HookForward,
			InDev: []byte("eth0"), OutDev: []byte("fifteen-letters"), HWProtocol: 0x86dd, HWType: 772,
			HWAddrLen: 8, HWAddr: [8]byte{1, 2, 3, 4, 5, 6, 7, 8}, Payload: []byte("payload"),
		},
		"before 1970":    {TimeSec: -1, TimeUsec: -2, InDev: []byte{}, OutDev: []byte{}, Payload: []byte{}},
		"after 2038":     {TimeSec: math.MaxInt32, InDev: []byte{}, OutDev: []byte{}, Payload: []byte{}},
		"highest id":     {ID: math.MaxUint32, InDev: []byte{}, OutDev: []byte{}, Payload: []byte{}},
		"unended name":   {InDev: []byte("sixteen-letters!"), OutDev: []byte("sixteen-letters?"), Payload: []byte{}},
		"longest packet": {InDev: []byte{}, OutDev: []byte("lo"), Payload: bytes.Repeat([]byte("p"), 65575)},
	}
	for _, m := range machines {
		for name, want := range packets {
			want.HasID = true
			for pad := range 4 {
				body := append(m.ipqPacket(&want), "pad"[:pad]...)
				checkIPQPacket(t, m.name+" "+name, m.layout, body, &want)
			}
		}
	}
}

func TestIPQPacketParse64(t *testing.T) {
	want := wire.IPQPacket{ID: 0xffff88001d17ac60, HasID: true, TimeSec: math.MaxInt64, TimeUsec: math.MinInt64, InDev: []byte{}, OutDev: []byte{}, Payload: []byte{}}
	for _, m := range machines {
		if m.word == 8 {
			checkIPQPacket(t, m.name, m.layout, m.ipqPacket(&want), &want)
		}
	}
}

func TestIPQPacketParseClamps(t *testing.T) {
	for _, m := range machines {
		body := m.ipqPacket(&wire.IPQPacket{HWAddrLen: 200, Mark: 1})
		m.order.(interface{ PutUint32([]byte, uint32) }).PutUint32(body[4*m.word:], 0x100) // hook
		var p wire.IPQPacket
		if err := p.Parse(m.layout, body); err != nil {
			t.Fatal(err)
		}
		if p.HWAddrLen != 8 || p.Hook != 255 {
			t.Errorf("%s: HWAddrLen %d, Hook %d, want 8, 255", m.name, p.HWAddrLen, p.Hook)
		}
	}
}

// TestIPQPacketParseCut cuts a message at every length: the id must survive.
func TestIPQPacketParseCut(t *testing.T) {
	for _, m := range machines {
		body := m.ipqPacket(&wire.IPQPacket{ID: 0x12345678, Payload: []byte("payload")})
		for n := range body {
			p := wire.IPQPacket{Mark: 99, Payload: []byte("old")}
			err := p.Parse(m.layout, body[:n])
			var e *wire.Error
			if !errors.As(err, &e) || !errors.Is(err, wire.ErrTruncated) {
				t.Fatalf("%s: %d bytes: error %v, want %v", m.name, n, err, wire.ErrTruncated)
			}
			if want := n >= m.word; p.HasID != want || want != (p.ID == 0x12345678) {
				t.Errorf("%s: %d bytes: HasID %v, ID %#x, want %v", m.name, n, p.HasID, p.ID, want)
			}
			if p.Payload != nil || p.Mark != 0 {
				t.Errorf("%s: %d bytes: payload %q, mark %d are left over", m.name, n, p.Payload, p.Mark)
			}
		}
	}
}

func TestIPQPacketParseErrorText(t *testing.T) {
	long := machines[1].ipqPacket(&wire.IPQPacket{})
	long[88+7] = 0x80 // data_len 1<<63
	tests := []struct {
		body []byte
		want string
	}{
		{long[:95], "ip_queue packet: ipq_packet_msg at offset 0: message is truncated: want 96, got 95"},
		{long, "ip_queue packet: payload at offset 96: message is truncated: want 2147483647, got 0"},
	}
	for _, tt := range tests {
		var p wire.IPQPacket
		if err := p.Parse(wire.LE64, tt.body); err == nil || err.Error() != tt.want {
			t.Errorf("error %v, want %q", err, tt.want)
		}
	}
}

// oddRequests are the probes whose requests are malformed on purpose. The
// encoders cannot and must not produce them.
var oddRequests = map[string]string{
	"payload-short-by-1":         "shorter than the union",
	"payload-mode-only-size":     "shorter than the union",
	"payload-empty":              "shorter than the union",
	"verdict-short-keeps-packet": "shorter than the union",
	"payload-longer-mode":        "longer than the union",
	"nlmsg_len-beyond-data":      "wrong nlmsg_len",
	"nlmsg_len-15":               "wrong nlmsg_len",
	"trailing-junk":              "bytes after the message",
	"batch-two-modes":            "two messages",
	"batch-two-verdicts":         "two messages",
	"no-request-flag":            "no NLM_F_REQUEST",
	"payload-declared-longer":    "wrong data_len",
	"payload-declared-shorter":   "wrong data_len",
	"payload-undeclared":         "wrong data_len",
	"payload-nlalign-padded":     "padding after the payload",
	"out-udp-mangle-badlen":      "wrong data_len", // the only one outside of the errs scenarios
}

// TestIPQRequestCaptures compares the output of the encoders with every request
// that was sent to a real kernel.
func TestIPQRequestCaptures(t *testing.T) {
	for _, file := range []string{"ipq_packets_le32.hex", "ipq_errors_le32.hex", "ipq_packets_le64.hex", "ipq_errors_le64.hex"} {
		odd := make(map[string]bool)
		l, same := captureLayouts[file], 0
		for _, c := range captures(t, file) {
			if !c.is("tx ") {
				continue
			}
			switch got := reencodeIPQ(t, l, c); {
			case got == nil:
			case bytes.Equal(got, c.data):
				same++
			case oddRequests[c.probe(t)] == "":
				sameBytes(t, file+" "+c.name, got, c.data)
			default:
				odd[c.probe(t)] = true
			}
		}
		wantSame, wantOdd := 2, 1
		if strings.Contains(file, "errors") {
			wantSame, wantOdd = 90, len(oddRequests)-1
		}
		if same < wantSame || len(odd) != wantOdd {
			t.Errorf("%s: %d requests are the same, want at least %d; %d probes differ, want %d: %v", file, same, wantSame, len(odd), wantOdd, odd)
		}
	}
}

// reencodeIPQ reads a request by the offsets of the C structs and encodes the
// same values. It returns nil if the request is neither a mode nor a verdict.
func reencodeIPQ(t *testing.T, l wire.Layout, c capture) []byte {
	t.Helper()
	f := fields(c.decoded)
	typ, flags, seq, port := num(t, f, "type"), uint16(num(t, f, "flags")), uint32(num(t, f, "seq")), uint32(num(t, f, "pid"))
	w := 4
	if strings.HasSuffix(l.String(), "64") {
		w = 8
	}
	b := append(append([]byte(nil), c.data[16:]...), make([]byte, 3*w)...) // the shortest have no union
	long := func(b []byte) (v uint64) {
		for i := range w {
			v |= uint64(b[i]) << (8 * i)
		}
		return v
	}
	switch typ {
	case 0x11:
		return l.AppendIPQMode(nil, flags, seq, port, wire.CopyMode(b[0]), long(b[w:]))
	case 0x12:
		value := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
		return l.AppendIPQVerdict(nil, flags, seq, port, long(b[w:]), wire.Verdict(value), c.data[min(16+3*w, len(c.data)):])
	}
	return nil
}

// TestAppendIPQModeCaptures gives the encoder the values that the probes were
// made with, not values read from the messages.
func TestAppendIPQModeCaptures(t *testing.T) {
	modes := map[string]struct {
		mode wire.CopyMode
		rng  uint64
	}{
		"mode-meta-ack":           {wire.CopyMeta, 0},
		"mode-meta-noack":         {wire.CopyMeta, 0},
		"mode-meta-range60":       {wire.CopyMeta, 60},
		"mode-packet-60":          {wire.CopyPacket, 60},
		"mode-packet-0":           {wire.CopyPacket, 0},
		"mode-packet-65536":       {wire.CopyPacket, 65536},
		"mode-packet-2pow32":      {wire.CopyPacket, 1 << 32},
		"mode-none-ack":           {wire.CopyNone, 0},
		"flag-create-0x400":       {wire.CopyMeta, 0},
		"second-peer-mode":        {wire.CopyMeta, 0},
		"pid-other-while-peer":    {wire.CopyMeta, 0},
		"first-contact-wrong-pid": {wire.CopyMeta, 0},
	}
	for _, file := range []string{"ipq_errors_le32.hex", "ipq_errors_le64.hex"} {
		l, seen := captureLayouts[file], make(map[string]bool)
		for _, c := range captures(t, file) {
			m, ok := modes[c.probe(t)]
			if !ok || !c.is("tx ") {
				continue
			}
			f := fields(c.decoded)
			got := l.AppendIPQMode(nil, uint16(num(t, f, "flags")), uint32(num(t, f, "seq")), uint32(num(t, f, "pid")), m.mode, m.rng)
			sameBytes(t, c.name, got, c.data)
			seen[c.probe(t)] = true
		}
		want := len(modes)
		if l == wire.LE32 {
			want-- // a 32-bit kernel has no 1<<32
		}
		if len(seen) != want {
			t.Errorf("%s: %d probes seen, want %d", file, len(seen), want)
		}
	}
}

func TestAppendIPQMode(t *testing.T) {
	h := wire.Header{Type: wire.IPQModeType, Flags: 5, Seq: 0x01020304, Port: 0x05060708}
	for _, m := range machines {
		for _, rng := range []uint64{0, 1, 0xffff, 0x12345678, math.MaxUint32} {
			got := m.layout.AppendIPQMode([]byte("x"), wire.FlagAck, h.Seq, h.Port, wire.CopyPacket, rng)
			sameBytes(t, m.name, got, append([]byte("x"), m.message(h, m.ipqMode(2, rng), 0)...))

			mode, r, err := m.layout.ParseIPQMode(got[1+16:])
			if mode != wire.CopyPacket || r != rng || err != nil {
				t.Errorf("%s: ParseIPQMode = %v, %d, %v, want packet, %d", m.name, mode, r, err, rng)
			}
		}
	}
}

func TestAppendIPQModeRange64(t *testing.T) {
	const rng = 0x0000_0002_0000_0003
	for _, m := range machines {
		want := uint64(rng)
		if m.word == 4 {
			want = math.MaxUint32 // still more than any packet
		}
		got := m.layout.AppendIPQMode(nil, 0, 0, 0, wire.CopyPacket, rng)
		sameBytes(t, m.name, got[16:], m.ipqMode(2, want))
	}
}

// TestAppendIPQUsedMemory appends to memory that is not zero.
func TestAppendIPQUsedMemory(t *testing.T) {
	for _, m := range machines {
		dirty := bytes.Repeat([]byte{0xff}, 200)
		got := m.layout.AppendIPQMode(dirty[:0], 0, 0, 0, wire.CopyMeta, 0)
		sameBytes(t, m.name+" mode", got[16:], m.ipqMode(1, 0))
		dirty = bytes.Repeat([]byte{0xff}, 200)
		got = m.layout.AppendIPQVerdict(dirty[:0], 0, 0, 0, 7, wire.VerdictAccept, nil)
		sameBytes(t, m.name+" verdict", got[16:], m.ipqVerdict(7, 1, nil))
	}
}

func TestAppendIPQVerdict(t *testing.T) {
	h := wire.Header{Type: wire.IPQVerdictType, Flags: 1, Seq: 0x01020304, Port: 0x05060708}
	for _, m := range machines {
		id := uint64(0xddb33200)
		if m.word == 8 {
			id |= 0xffff8800 << 32
		}
		for _, n := range []int{0, 1, 19, 20, 21, 22, 23, 24, 1500, 65535} {
			payload := bytes.Repeat([]byte{0xa5}, n)
			got := m.layout.AppendIPQVerdict(nil, 0, h.Seq, h.Port, id, wire.VerdictStop, payload)
			sameBytes(t, m.name, got, m.message(h, m.ipqVerdict(id, 5, payload), 0))

			gotID, v, p, err := m.layout.ParseIPQVerdict(got[16:])
			if gotID != id || v != wire.VerdictStop || !bytes.Equal(p, payload) || err != nil {
				t.Errorf("%s: ParseIPQVerdict = %#x, %v, %d bytes, %v, want %#x, stop, %d bytes", m.name, gotID, v, len(p), err, id, n)
			}
			within(t, m.name, p, got)
		}
	}
}

func TestParseIPQCut(t *testing.T) {
	for _, m := range machines {
		mode := m.ipqMode(2, 7)
		for n := range mode {
			if c, rng, err := m.layout.ParseIPQMode(mode[:n]); c != 0 || rng != 0 || !errors.Is(err, wire.ErrTruncated) {
				t.Errorf("%s: mode of %d bytes: %v, range %d, error %v, want none, 0, %v", m.name, n, c, rng, err, wire.ErrTruncated)
			}
		}
		verdict := m.ipqVerdict(0x1234, 4, []byte("replacement"))
		for n := range verdict {
			id, v, payload, err := m.layout.ParseIPQVerdict(verdict[:n])
			if !errors.Is(err, wire.ErrTruncated) || payload != nil {
				t.Errorf("%s: verdict of %d bytes: payload %q, error %v, want %v", m.name, n, payload, err, wire.ErrTruncated)
			}
			if known := n >= 2*m.word; known != (id == 0x1234) || known != (v == wire.VerdictRepeat) {
				t.Errorf("%s: verdict of %d bytes: id %#x, %v", m.name, n, id, v)
			}
		}
	}
}

func TestParseIPQVerdictTrailing(t *testing.T) {
	for _, m := range machines {
		b := append(m.ipqVerdict(1, 1, []byte("replacement")), "more"...)
		if _, _, payload, err := m.layout.ParseIPQVerdict(b); string(payload) != "replacement" || err != nil {
			t.Errorf("%s: payload %q, error %v, want %q", m.name, payload, err, "replacement")
		}
	}
}

// TestRefusedVerdictCaptures decodes the id of every verdict that a real kernel
// refused from the reply, and compares it with the bytes at the offset in the C
// struct.
func TestRefusedVerdictCaptures(t *testing.T) {
	for _, file := range []string{"ipq_errors_le32.hex", "ipq_errors_le64.hex"} {
		l, n := captureLayouts[file], 0
		w := l.WordSize()
		for _, c := range captures(t, file) {
			var h wire.Header
			body, _ := h.Parse(l, c.data)
			if h.Type != wire.NLMsgError {
				continue
			}
			m, err := l.ParseError(h, body)
			if err != nil || m.Request.Type != wire.IPQVerdictType || m.Errno == 0 {
				continue
			}
			id, _, _, _ := l.ParseIPQVerdict(m.Body)
			want := c.data[36+w : 36+2*w]
			got := make([]byte, w)
			for i := range got {
				got[i] = byte(id >> (8 * i))
			}
			sameBytes(t, c.name, got, want)
			n++
		}
		if n < 16 {
			t.Errorf("%s: %d refused verdicts, want at least 16", file, n)
		}
	}
}
