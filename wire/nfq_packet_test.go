package wire_test

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/ipqueue/ipqueue/wire"
)

// littleEndianOnly skips a test on captures of nfnetlink_queue, whose headers
// are in the byte order of the machine.
func littleEndianOnly(t *testing.T) {
	t.Helper()
	if wire.Native().BigEndian() {
		t.Skip("needs a little-endian machine: the captured messages are from one")
	}
}

// TestNFQPacketCaptures compares every packet of a real kernel, field by
// field, with its independent decoding.
func TestNFQPacketCaptures(t *testing.T) {
	littleEndianOnly(t)
	for _, c := range captures(t, "nfq_le64.hex") {
		if !c.is("NFQ_PACKET ") {
			continue
		}
		var h wire.Header
		body, err := h.Parse(wire.Native(), c.data)
		if h.Type != wire.NFQPacketType || err != nil {
			t.Fatalf("%s: type %#x, error %v", c.name, h.Type, err)
		}
		var got wire.NFQPacket
		if err := got.Parse(body); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if want := decodedNFQ(t, c); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got\n%+v, want\n%+v", c.name, got, want)
		}
		within(t, c.name, got.Payload, c.data)
	}
}

// decodedNFQ returns the packet that the independent decoding of c describes.
// Its payload is taken from the end of the datagram.
func decodedNFQ(t *testing.T, c capture) wire.NFQPacket {
	t.Helper()
	f := fields(c.decoded)
	sec, usec := stamp(t, f)
	p := wire.NFQPacket{
		Family: uint8(num(t, f, "family")), Queue: uint16(num(t, f, "queue")), ID: uint32(num(t, f, "id")),
		HWProtocol: uint16(num(t, f, "hw_protocol")), Hook: wire.Hook(num(t, f, "hook")),
		Mark: uint32(num(t, f, "mark")), Priority: uint32(num(t, f, "priority")),
		InDev: uint32(num(t, f, "indev")), OutDev: uint32(num(t, f, "outdev")),
		PhysInDev: uint32(num(t, f, "physindev")), PhysOutDev: uint32(num(t, f, "physoutdev")),
		UID: uint32(num(t, f, "uid")), GID: uint32(num(t, f, "gid")), CapLen: uint32(num(t, f, "cap_len")),
		SKBInfo: wire.SKBInfo(num(t, f, "skb_info")), TimeSec: sec, TimeUsec: usec,
		HWAddrLen: uint8(num(t, f, "hw_addrlen")), HWAddr: hwAddr(t, f),
	}
	for key, bit := range map[string]int{"id": 1, "mark": 3, "ts": 4, "indev": 5, "outdev": 6, "physindev": 7, "physoutdev": 8, "hw_addr": 9, "payload": 10, "cap_len": 13, "skb_info": 14, "uid": 16, "gid": 17, "priority": 21} {
		if _, ok := f[key]; ok {
			p.Has |= 1 << bit
		}
	}
	if _, ok := f["payload"]; ok {
		p.Payload = c.data[len(c.data)-int(num(t, f, "payload")):]
	}
	return p
}

// An nfqAttr is one attribute of a packet: the bytes that the kernel writes, and
// the result that Parse must return.
type nfqAttr struct {
	name  string
	typ   uint16
	min   int // bytes
	data  []byte
	apply func(*wire.NFQPacket)
}

func hex32(v uint32) []byte { return []byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)} }

// vlanAttrs returns the content of NFQA_VLAN with its members in the given order.
func vlanAttrs(proto, tci uint16, order ...uint16) []byte {
	n := &nfqBuilder{}
	for _, typ := range order {
		n.be16(typ, map[uint16]uint16{1: proto, 2: tci}[typ])
	}
	for len(n.b)%4 != 0 {
		n.b = append(n.b, 0)
	}
	return n.b
}

// nfqAttrs contains every attribute of
// include/uapi/linux/netfilter/nfnetlink_queue.h except the two that only
// verdicts have.
var nfqAttrs = []nfqAttr{
	{"NFQA_PACKET_HDR", 1, 7, []byte{0xfe, 0xdc, 0xba, 0x98, 0x86, 0xdd, 4}, func(p *wire.NFQPacket) {
		p.ID, p.HWProtocol, p.Hook = 0xfedcba98, 0x86dd, wire.HookPostrouting
	}},
	{"NFQA_MARK", 3, 4, hex32(0xdeadbeef), func(p *wire.NFQPacket) { p.Mark = 0xdeadbeef }},
	{"NFQA_TIMESTAMP", 4, 16, []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, func(p *wire.NFQPacket) {
		p.TimeSec, p.TimeUsec = 0x0102030405060708, 0x090a0b0c0d0e0f10
	}},
	{"NFQA_IFINDEX_INDEV", 5, 4, hex32(5), func(p *wire.NFQPacket) { p.InDev = 5 }},
	{"NFQA_IFINDEX_OUTDEV", 6, 4, hex32(6), func(p *wire.NFQPacket) { p.OutDev = 6 }},
	{"NFQA_IFINDEX_PHYSINDEV", 7, 4, hex32(7), func(p *wire.NFQPacket) { p.PhysInDev = 7 }},
	{"NFQA_IFINDEX_PHYSOUTDEV", 8, 4, hex32(8), func(p *wire.NFQPacket) { p.PhysOutDev = 8 }},
	{"NFQA_HWADDR", 9, 4, []byte{0, 6, 0xff, 0xff, 1, 2, 3, 4, 5, 6, 7, 8}, func(p *wire.NFQPacket) {
		p.HWAddrLen, p.HWAddr = 6, [8]byte{1, 2, 3, 4, 5, 6, 7, 8}
	}},
	{"NFQA_PAYLOAD", 10, 0, []byte("an odd payload."), func(p *wire.NFQPacket) { p.Payload = []byte("an odd payload.") }},
	{"NFQA_CT", 0x8000 | 11, 0, []byte("conntrack"), func(p *wire.NFQPacket) { p.Conntrack = []byte("conntrack") }},
	{"NFQA_CT_INFO", 12, 4, hex32(3), func(p *wire.NFQPacket) { p.CTInfo = wire.CTEstablishedReply }},
	{"NFQA_CAP_LEN", 13, 4, hex32(65535), func(p *wire.NFQPacket) { p.CapLen = 65535 }},
	{"NFQA_SKB_INFO", 14, 4, hex32(3), func(p *wire.NFQPacket) { p.SKBInfo = wire.SKBChecksumNotReady | wire.SKBGSO }},
	{"NFQA_UID", 16, 4, hex32(1000), func(p *wire.NFQPacket) { p.UID = 1000 }},
	{"NFQA_GID", 17, 4, hex32(100), func(p *wire.NFQPacket) { p.GID = 100 }},
	{"NFQA_SECCTX", 18, 0, []byte("system_u:object_r"), func(p *wire.NFQPacket) { p.SecCtx = []byte("system_u:object_r") }},
	{"NFQA_VLAN", 0x8000 | 19, 0, vlanAttrs(0x8100, 0x6005, 2, 1), func(p *wire.NFQPacket) { p.VLANProto, p.VLANTCI = 0x8100, 0x6005 }},
	{"NFQA_L2HDR", 20, 0, []byte("link header 14"), func(p *wire.NFQPacket) { p.LinkHeader = []byte("link header 14") }},
	{"NFQA_PRIORITY", 21, 4, hex32(0x10006), func(p *wire.NFQPacket) { p.Priority = 0x10006 }},
	{"NFQA_CGROUP_CLASSID", 22, 4, hex32(0x100001), func(p *wire.NFQPacket) { p.ClassID = 0x100001 }},
}

// headOnly returns the attributes and the packet of a message with nothing but
// a packet header.
func headOnly() (*nfqBuilder, wire.NFQPacket) {
	p := wire.NFQPacket{Family: 10, Queue: 0x1234, Has: 1 << 1}
	nfqAttrs[0].apply(&p)
	return newNFQ(10, 0x1234).attr(1, nfqAttrs[0].data...), p
}

func checkNFQPacket(t *testing.T, body []byte, want wire.NFQPacket) {
	t.Helper()
	got := wire.NFQPacket{Mark: 1, Payload: []byte("old"), Has: ^wire.NFQFields(0), HWAddr: [8]byte{7: 1}} // all to be replaced
	if err := got.Parse(body); err != nil {
		t.Errorf("%v", err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v, want\n%+v", got, want)
	}
	for _, s := range [][]byte{got.Payload, got.Conntrack, got.SecCtx, got.LinkHeader} {
		within(t, "slice", s, body)
	}
}

// TestNFQPacketAttrs decodes each attribute alone: whole, with extra bytes at the
// end, and cut short.
func TestNFQPacketAttrs(t *testing.T) {
	for _, a := range nfqAttrs[1:] {
		t.Run(a.name, func(t *testing.T) {
			n, want := headOnly()
			a.apply(&want)
			want.Has |= 1 << (a.typ & 0xff)
			checkNFQPacket(t, n.attr(a.typ, a.data...).b, want)
			if a.min > 0 {
				n, _ = headOnly()
				checkNFQPacket(t, n.attr(a.typ, append(bytes.Clone(a.data), 0xff, 0xff, 0xff)...).b, want)
			}
			for short := range a.min {
				checkShort(t, a, short)
			}
		})
	}
}

// checkShort cuts an attribute to size bytes and checks that the attributes
// around it are still decoded.
func checkShort(t *testing.T, a nfqAttr, size int) {
	t.Helper()
	n := newNFQ(2, 9).attr(a.typ, a.data[:size]...).be32(13, 99).attr(1, nfqAttrs[0].data...)
	var p wire.NFQPacket
	err := p.Parse(n.b)
	var e *wire.Error
	if !errors.As(err, &e) {
		t.Fatalf("%d bytes: error %v", size, err)
	}
	want := wire.Error{Message: "nfqueue packet", What: a.name, Offset: 4, Want: a.min, Got: size, Err: wire.ErrLength}
	if *e != want {
		t.Errorf("%d bytes: error %+v, want %+v", size, *e, want)
	}
	if p.Has&wire.HasPacketHeader == 0 || p.ID != 0xfedcba98 || p.Queue != 9 || p.Family != 2 {
		t.Errorf("%d bytes: no id: %+v", size, p)
	}
	if a.typ != 13 && (p.Has != wire.HasPacketHeader|wire.HasCapLen || p.CapLen != 99) {
		t.Errorf("%d bytes: Has = %v, CapLen = %d", size, p.Has, p.CapLen)
	}
}

// TestNFQPacketAll decodes all attributes in one message, in both orders.
func TestNFQPacketAll(t *testing.T) {
	want := wire.NFQPacket{Family: 7, Queue: 65535}
	for _, a := range nfqAttrs {
		a.apply(&want)
		want.Has |= 1 << (a.typ & 0xff)
	}
	forth, back := newNFQ(7, 65535), newNFQ(7, 65535)
	for i, a := range nfqAttrs {
		forth.attr(a.typ, a.data...)
		b := nfqAttrs[len(nfqAttrs)-1-i]
		back.attr(b.typ|0x4000, b.data...) // the flag for network byte order changes nothing
	}
	checkNFQPacket(t, forth.b, want)
	checkNFQPacket(t, back.b, want)
}

func TestNFQPacketSkips(t *testing.T) {
	for _, typ := range []uint16{0, 2, 15, 23, 24, 31, 32, 33, 63, 64, 0x3fff} {
		n, want := headOnly()
		n.attr(typ).attr(typ, 1).attr(typ, make([]byte, 100)...).be32(3, 77)
		want.Has |= wire.HasMark
		want.Mark = 77
		checkNFQPacket(t, n.b, want)
	}
}

// TestNFQPacketPadding ends the message with every number of padding bytes, and
// gives the payload every length.
func TestNFQPacketPadding(t *testing.T) {
	for size := range 9 {
		for pad := range 4 {
			n, want := headOnly()
			want.Payload = []byte("12345678")[:size]
			want.Has |= wire.HasPayload
			n.attr(10, want.Payload...)
			if (len(n.b)+pad+3)&^3 != (len(n.b)+3)&^3 {
				continue // more than padding
			}
			checkNFQPacket(t, append(n.b, make([]byte, pad)...), want)
		}
	}
}

func TestNFQPacketTwice(t *testing.T) {
	n, want := headOnly()
	want.Mark, want.HWAddrLen, want.HWAddr = 2, 1, [8]byte{9}
	want.Has |= wire.HasMark | wire.HasHWAddr
	n.be32(3, 1).attr(9, 0, 6, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8).be32(3, 2).attr(9, 0, 6, 0, 0, 9)
	checkNFQPacket(t, n.b, want)
}

func TestNFQPacketHWAddr(t *testing.T) {
	tests := []struct {
		name string
		data []byte
		n    uint8
		addr [8]byte
	}{
		{"none", []byte{0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8}, 0, [8]byte{1, 2, 3, 4, 5, 6, 7, 8}},
		{"all 8", []byte{0, 8, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8}, 8, [8]byte{1, 2, 3, 4, 5, 6, 7, 8}},
		{"says 9", []byte{0, 9, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8}, 8, [8]byte{1, 2, 3, 4, 5, 6, 7, 8}},
		{"says 65535", []byte{0xff, 0xff, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8}, 8, [8]byte{1, 2, 3, 4, 5, 6, 7, 8}},
		{"9 bytes", []byte{0, 9, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 8, [8]byte{1, 2, 3, 4, 5, 6, 7, 8}},
		{"says more than there is", []byte{0, 6, 0, 0, 1, 2}, 2, [8]byte{1, 2}},
		{"nothing there", []byte{0, 6, 0, 0}, 0, [8]byte{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n, want := headOnly()
			want.HWAddrLen, want.HWAddr = tt.n, tt.addr
			want.Has |= wire.HasHWAddr
			checkNFQPacket(t, n.attr(9, tt.data...).b, want)
		})
	}
}

func TestNFQPacketVLAN(t *testing.T) {
	good := func(b []byte) (n *nfqBuilder, want wire.NFQPacket) {
		n, want = headOnly()
		want.VLANProto, want.VLANTCI = 0x88a8, 0xabcd
		want.Has |= wire.HasVLAN
		return n.attr(0x8013, b...), want
	}
	twice := append(vlanAttrs(1, 2, 1, 2), vlanAttrs(0x88a8, 0xabcd, 2, 1)...)
	unknown := (&nfqBuilder{vlanAttrs(0x88a8, 0xabcd, 1)}).attr(3, 1, 2, 3).attr(0).b
	unknown = (&nfqBuilder{unknown}).be16(0x8002, 0xabcd).b
	for _, b := range [][]byte{vlanAttrs(0x88a8, 0xabcd, 1, 2), vlanAttrs(0x88a8, 0xabcd, 2, 1), twice, unknown} {
		n, want := good(b)
		checkNFQPacket(t, n.b, want)
	}

	bad := []struct {
		name string
		data []byte
		want wire.Error
	}{
		{"empty", nil, wire.Error{What: "NFQA_VLAN_PROTO", Offset: 20, Want: 2, Err: wire.ErrMissing}},
		{"no protocol", vlanAttrs(1, 2, 2), wire.Error{What: "NFQA_VLAN_PROTO", Offset: 28, Want: 2, Err: wire.ErrMissing}},
		{"no TCI", vlanAttrs(1, 2, 1), wire.Error{What: "NFQA_VLAN_TCI", Offset: 28, Want: 2, Err: wire.ErrMissing}},
		{"short protocol", rawAttr(5, 1, 0x81), wire.Error{What: "NFQA_VLAN_PROTO", Offset: 20, Want: 2, Got: 1, Err: wire.ErrLength}},
		{"short TCI", append(vlanAttrs(1, 2, 1), rawAttr(4, 2)...), wire.Error{What: "NFQA_VLAN_TCI", Offset: 28, Want: 2, Err: wire.ErrLength}},
		{"length 0", append(vlanAttrs(1, 2, 1, 2), rawAttr(0, 2)...), wire.Error{What: "nla_len", Offset: 36, Want: 4, Err: wire.ErrLength}},
		{"beyond its end", rawAttr(7, 1, 0x81, 0), wire.Error{What: "nla_len", Offset: 20, Want: 7, Got: 6, Err: wire.ErrTruncated}},
		{"1 byte too many", append(vlanAttrs(1, 2, 1, 2), 4), wire.Error{What: "nlattr", Offset: 36, Want: 4, Got: 1, Err: wire.ErrTruncated}},
		{"half a header", []byte{6, 0, 1}, wire.Error{What: "nlattr", Offset: 20, Want: 4, Got: 3, Err: wire.ErrTruncated}},
	}
	for _, tt := range bad {
		t.Run(tt.name, func(t *testing.T) {
			n, want := headOnly()
			n.attr(0x8013, tt.data...).be32(3, 5)
			want.Mark = 5
			want.Has |= wire.HasMark
			tt.want.Message = "nfqueue packet"
			var p wire.NFQPacket
			var e *wire.Error
			if err := p.Parse(n.b); !errors.As(err, &e) || *e != tt.want {
				t.Errorf("error %v, want %v", err, &tt.want)
			}
			if !reflect.DeepEqual(p, want) {
				t.Errorf("got\n%+v, want\n%+v", p, want)
			}
		})
	}
}

func TestNFQPacketParseErrors(t *testing.T) {
	head, _ := headOnly() // 4 + 12 bytes, the last of which is padding
	with := func(tail ...byte) []byte { return slices.Concat(head.b, []byte{0}, tail) }
	tests := []struct {
		name string
		body []byte
		err  error
		text string
		id   bool
	}{
		{"empty", nil, wire.ErrTruncated, "nfqueue packet: nfgenmsg at offset 0: message is truncated: want 4, got 0", false},
		{"half nfgenmsg", []byte{2, 0, 0}, wire.ErrTruncated, "nfqueue packet: nfgenmsg at offset 0: message is truncated: want 4, got 3", false},
		{"no attributes", []byte{2, 0, 0, 1}, wire.ErrMissing, "nfqueue packet: NFQA_PACKET_HDR at offset 4: attribute is missing: want 7, got 0", false},
		{"no packet header", newNFQ(2, 1).be32(3, 1).b, wire.ErrMissing, "nfqueue packet: NFQA_PACKET_HDR at offset 12: attribute is missing: want 7, got 0", false},
		{"short packet header", newNFQ(2, 1).attr(1, 0, 0, 0, 1, 8, 0).b, wire.ErrLength, "nfqueue packet: NFQA_PACKET_HDR at offset 4: bad length: want 7, got 6", false},
		{"nla_len 0", with(rawAttr(0, 3)...), wire.ErrLength, "nfqueue packet: nla_len at offset 16: bad length: want 4, got 0", true},
		{"nla_len 3", with(rawAttr(3, 3)...), wire.ErrLength, "nfqueue packet: nla_len at offset 16: bad length: want 4, got 3", true},
		{"payload cut", with(rawAttr(1000, 10, 1, 2, 3)...), wire.ErrTruncated, "nfqueue packet: nla_len at offset 16: message is truncated: want 1000, got 7", true},
		{"half a header", with(8, 0), wire.ErrTruncated, "nfqueue packet: nlattr at offset 16: message is truncated: want 4, got 2", true},
		{"first error counts", with(slices.Concat(rawAttr(4, 3), rawAttr(4, 5), rawAttr(0, 0))...), wire.ErrLength, "nfqueue packet: NFQA_MARK at offset 16: bad length: want 4, got 0", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := wire.NFQPacket{ID: 77, Has: wire.HasPacketHeader}
			err := p.Parse(tt.body)
			if !errors.Is(err, tt.err) || err.Error() != tt.text {
				t.Errorf("error %v, want %q", err, tt.text)
			}
			if got := p.Has&wire.HasPacketHeader != 0; got != tt.id || tt.id != (p.ID == 0xfedcba98) {
				t.Errorf("Has = %v, ID = %#x, want id %v", p.Has, p.ID, tt.id)
			}
		})
	}
}

// TestNFQPacketCut cuts a message at every length.
func TestNFQPacketCut(t *testing.T) {
	n := newNFQ(2, 3)
	for _, a := range nfqAttrs {
		n.attr(a.typ, a.data...)
	}
	for size := range n.b {
		var p wire.NFQPacket
		err := p.Parse(n.b[:size])
		if err != nil && !errors.Is(err, wire.ErrTruncated) && !errors.Is(err, wire.ErrMissing) {
			t.Errorf("%d bytes: %v", size, err)
		}
		if got, want := p.Has&wire.HasPacketHeader != 0, size >= 4+4+7; got != want {
			t.Errorf("%d bytes: packet header %v, want %v", size, got, want)
		}
		if got, want := p.Queue == 3, size >= 4; got != want {
			t.Errorf("%d bytes: Queue = %d", size, p.Queue)
		}
	}
}

func TestNFQFieldsAreAttributeNumbers(t *testing.T) {
	names := strings.Split((^wire.NFQFields(0)).String(), "|")
	want := []string{
		1: "NFQA_PACKET_HDR", 2: "NFQA_VERDICT_HDR", 3: "NFQA_MARK", 4: "NFQA_TIMESTAMP", 5: "NFQA_IFINDEX_INDEV",
		6: "NFQA_IFINDEX_OUTDEV", 7: "NFQA_IFINDEX_PHYSINDEV", 8: "NFQA_IFINDEX_PHYSOUTDEV", 9: "NFQA_HWADDR",
		10: "NFQA_PAYLOAD", 11: "NFQA_CT", 12: "NFQA_CT_INFO", 13: "NFQA_CAP_LEN", 14: "NFQA_SKB_INFO", 15: "NFQA_EXP",
		16: "NFQA_UID", 17: "NFQA_GID", 18: "NFQA_SECCTX", 19: "NFQA_VLAN", 20: "NFQA_L2HDR", 21: "NFQA_PRIORITY", 22: "NFQA_CGROUP_CLASSID",
	}
	if got := names[:len(names)-1]; !slices.Equal(got, want[1:]) {
		t.Errorf("got %v, want %v", got, want[1:])
	}
	for i, f := range []wire.NFQFields{
		1: wire.HasPacketHeader, 3: wire.HasMark, 4: wire.HasTimestamp, 5: wire.HasInDev, 6: wire.HasOutDev, 7: wire.HasPhysInDev,
		8: wire.HasPhysOutDev, 9: wire.HasHWAddr, 10: wire.HasPayload, 11: wire.HasConntrack, 12: wire.HasCTInfo, 13: wire.HasCapLen,
		14: wire.HasSKBInfo, 16: wire.HasUID, 17: wire.HasGID, 18: wire.HasSecCtx, 19: wire.HasVLAN, 20: wire.HasLinkHeader,
		21: wire.HasPriority, 22: wire.HasClassID,
	} {
		if f != 0 && f != 1<<i {
			t.Errorf("%v = %#x, want bit %d", f, uint32(f), i)
		}
	}
}
