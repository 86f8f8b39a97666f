package wire_test

import (
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/ipqueue/ipqueue/wire"
)

// ctUDP is an entry as Linux 6.18 sends it for UDP over IPv4, in its order of
// attributes (net/netfilter/nf_conntrack_netlink.c, __ctnetlink_glue_build).
func ctUDP() *nfqBuilder {
	n := &nfqBuilder{}
	n.attr(0x8001, ctTuple(
		ctIPv4([4]byte{10, 0, 0, 1}, [4]byte{10, 0, 0, 2}),
		(&nfqBuilder{}).attr(1, 17).be16(2, 40000).be16(3, 53))...)
	n.attr(0x8002, ctTuple(
		ctIPv4([4]byte{10, 0, 0, 2}, [4]byte{192, 0, 2, 9}),
		(&nfqBuilder{}).attr(1, 17).be16(2, 53).be16(3, 1024))...)
	return n.be32(12, 0x89abcdef).be32(3, 0x19e).be32(7, 120).be32(8, 7)
}

// ctUDPWant is ctUDP decoded.
var ctUDPWant = wire.Conntrack{
	Original: wire.CTTuple{Source: netip.MustParseAddrPort("10.0.0.1:40000"), Destination: netip.MustParseAddrPort("10.0.0.2:53"), Protocol: 17},
	Reply:    wire.CTTuple{Source: netip.MustParseAddrPort("10.0.0.2:53"), Destination: netip.MustParseAddrPort("192.0.2.9:1024"), Protocol: 17},
	Has:      1<<1 | 1<<2 | 1<<3 | wire.CTHasID | wire.CTHasTimeout | wire.CTHasMark,
	Status:   wire.CTSeenReply | wire.CTAssured | wire.CTConfirmed | wire.CTSrcNAT | wire.CTSrcNATDone | wire.CTDstNATDone,
	Mark:     7, ID: 0x89abcdef, Timeout: 120,
}

// ctICMPv6 is an entry with the attributes that ctUDP lacks.
func ctICMPv6() *nfqBuilder {
	one, two := netip.MustParseAddr("2001:db8::1").As16(), netip.MustParseAddr("2001:db8::2").As16()
	n := &nfqBuilder{}
	n.attr(1, append(ctTuple(
		(&nfqBuilder{}).attr(3, one[:]...).attr(4, two[:]...),
		(&nfqBuilder{}).attr(1, 58).be16(7, 0x1234).attr(8, 128).attr(9, 1)), (&nfqBuilder{}).be16(3, 5).pad()...)...)
	n.attr(2, ctTuple(
		(&nfqBuilder{}).attr(3, two[:]...).attr(4, one[:]...),
		(&nfqBuilder{}).attr(1, 58).be16(7, 0x1234).attr(8, 129).attr(9, 0))...)
	n.be16(18, 6).be32(12, 1).be32(3, 0x2002).be32(7, 0xffffffff)
	n.attr(4, 1, 2, 3).attr(0x8005, (&nfqBuilder{}).attr(1, []byte("ftp\x00")...).attr(2, 9, 9).b...)
	return n.be32(8, 0xffffffff).attr(22, ctLabels(0, 63, 64, 100, 127)...)
}

var ctICMPv6Want = wire.Conntrack{
	Original: wire.CTTuple{
		Source: netip.MustParseAddrPort("[2001:db8::1]:0"), Destination: netip.MustParseAddrPort("[2001:db8::2]:0"),
		Protocol: 58, ICMPType: 128, ICMPCode: 1, ICMPID: 0x1234, Zone: 5,
	},
	Reply: wire.CTTuple{
		Source: netip.MustParseAddrPort("[2001:db8::2]:0"), Destination: netip.MustParseAddrPort("[2001:db8::1]:0"),
		Protocol: 58, ICMPType: 129, ICMPID: 0x1234,
	},
	Has: 1<<1 | 1<<2 | 1<<3 | wire.CTHasID | wire.CTHasTimeout | wire.CTHasMark | wire.CTHasZone |
		wire.CTHasHelper | wire.CTHasLabels,
	Status: wire.CTSeenReply | wire.CTHelper,
	Mark:   0xffffffff, ID: 1, Timeout: 0xffffffff, Zone: 6,
	Labels: wire.CTLabels{1 | 1<<63, 1 | 1<<36 | 1<<63},
	Helper: []byte("ftp"),
}

// pad returns the built body, padded.
func (n *nfqBuilder) pad() []byte {
	for len(n.b)%4 != 0 {
		n.b = append(n.b, 0)
	}
	return n.b
}

func ctIPv4(source, destination [4]byte) *nfqBuilder {
	return (&nfqBuilder{}).attr(1, source[:]...).attr(2, destination[:]...)
}

// ctTuple builds the inside of a tuple.
func ctTuple(ip, proto *nfqBuilder) []byte {
	return (&nfqBuilder{}).attr(0x8001, ip.pad()...).attr(0x8002, proto.pad()...).pad()
}

// TestConntrackCaptures compares entries of a real kernel with the kernel's own
// text about them.
func TestConntrackCaptures(t *testing.T) {
	littleEndianOnly(t)
	for _, c := range captures(t, "ct_le64.hex") {
		var got wire.Conntrack
		if err := got.Parse(c.data); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		at := strings.LastIndex(c.decoded, "src=")
		head := strings.Fields(c.decoded) // CT ipv4 2 udp 17 29 ...
		f := fields(c.decoded)
		proto := num(t, map[string]string{"": head[4]}, "")
		want := wire.Conntrack{
			Original: decodedTuple(t, c.decoded[:at], proto), Reply: decodedTuple(t, c.decoded[at:], proto),
			Mark: uint32(num(t, f, "mark")), Zone: uint16(num(t, f, "zone")), Timeout: uint32(num(t, map[string]string{"": head[5]}, "")),
			Has: got.Has, ID: got.ID, Status: got.Status, // not in the text, or only in part
		}
		if n, ok := f["label"]; ok {
			label := num(t, f, "label")
			want.Labels[label/64] = 1 << (label % 64)
			if got.Has&wire.CTHasLabels == 0 {
				t.Errorf("%s: has %v, want label %s", c.name, got.Has, n)
			}
		}
		same(t, c.name, got, want)
		if wantAll := wire.CTHasMark | wire.CTHasID | wire.CTHasTimeout; got.Has&wantAll != wantAll || got.Has&wire.CTHasHelper != 0 {
			t.Errorf("%s: has %v", c.name, got.Has)
		}
		assured, unreplied := strings.Contains(c.decoded, "[ASSURED]"), strings.Contains(c.decoded, "[UNREPLIED]")
		if got.Status&wire.CTAssured != 0 != assured || got.Status&wire.CTSeenReply == 0 != unreplied || got.Status&wire.CTConfirmed == 0 {
			t.Errorf("%s: status %v", c.name, got.Status)
		}
	}
}

// decodedTuple reads one direction of a line of /proc/net/nf_conntrack.
func decodedTuple(t *testing.T, text string, proto uint64) wire.CTTuple {
	t.Helper()
	f := fields(text)
	port := func(addr, port string) netip.AddrPort {
		return netip.AddrPortFrom(netip.MustParseAddr(f[addr]), uint16(num(t, f, port)))
	}
	return wire.CTTuple{
		Source: port("src", "sport"), Destination: port("dst", "dport"), Protocol: uint8(proto),
		ICMPType: uint8(num(t, f, "type")), ICMPCode: uint8(num(t, f, "code")), ICMPID: uint16(num(t, f, "id")),
	}
}

func TestConntrackParse(t *testing.T) {
	for name, tt := range map[string]struct {
		attrs []byte
		want  wire.Conntrack
	}{
		"UDP":    {ctUDP().b, ctUDPWant},
		"ICMPv6": {ctICMPv6().b, ctICMPv6Want},
	} {
		t.Run(name, func(t *testing.T) {
			c := wire.Conntrack{Mark: 1, Zone: 2, Helper: []byte("old"), Has: 1 << 31}
			if err := c.Parse(tt.attrs); err != nil || !reflect.DeepEqual(c, tt.want) {
				t.Errorf("error %v, got\n%+v, want\n%+v", err, c, tt.want)
			}
			within(t, "helper", c.Helper, tt.attrs)
		})
	}
}

// TestConntrackParseICMP decodes the attributes of ICMP, whose numbers differ
// from those of ICMPv6.
func TestConntrackParseICMP(t *testing.T) {
	icmp := func(typ byte) []byte {
		return ctTuple(ctIPv4([4]byte{1}, [4]byte{2}), (&nfqBuilder{}).attr(1, 1).be16(4, 9).attr(5, typ).attr(6, 3))
	}
	var c wire.Conntrack
	if err := c.Parse((&nfqBuilder{}).attr(1, icmp(8)...).attr(2, icmp(0)...).be32(3, 0).b); err != nil {
		t.Fatal(err)
	}
	want := wire.CTTuple{
		Source: netip.MustParseAddrPort("1.0.0.0:0"), Destination: netip.MustParseAddrPort("2.0.0.0:0"),
		Protocol: 1, ICMPType: 8, ICMPCode: 3, ICMPID: 9,
	}
	same(t, "original", c.Original, want)
	want.ICMPType = 0
	same(t, "reply", c.Reply, want)
}

// TestConntrackParseLast checks that the last of several attributes counts, that
// unknown ones are skipped, and that labels may have any length.
func TestConntrackParseLast(t *testing.T) {
	n := (&nfqBuilder{}).be32(3, 1).be32(8, 5)
	n.b = append(n.b, ctUDP().b...)
	n.be32(8, 6).attr(22, ctLabels(2)...).attr(22, append(ctLabels(3), 0xff)...)
	for _, typ := range []uint16{0, 4, 6, 9, 11, 21, 23, 27, 31, 32, 63, 0x3fff} {
		n.attr(typ).attr(typ, 1)
	}
	want := ctUDPWant
	want.Mark, want.Labels, want.Has = 6, wire.CTLabels{1 << 3}, want.Has|wire.CTHasLabels
	var c wire.Conntrack
	if err := c.Parse(n.b); err != nil || !reflect.DeepEqual(c, want) {
		t.Errorf("error %v, got\n%+v, want\n%+v", err, c, want)
	}
}

func TestConntrackParseErrors(t *testing.T) {
	inTuple := func(member ...byte) []byte { return (&nfqBuilder{}).attr(1, member...).b }
	nested := func(typ uint16, data ...byte) []byte { return (&nfqBuilder{}).attr(typ, data...).b }
	tests := []struct {
		attrs []byte
		err   error
		text  string
	}{
		{nil, wire.ErrMissing, "conntrack entry: CTA_TUPLE_ORIG at offset 0: attribute is missing"},
		{nested(1), wire.ErrMissing, "conntrack entry: CTA_TUPLE_REPLY at offset 4: attribute is missing"},
		{append(nested(1), nested(2)...), wire.ErrMissing, "conntrack entry: CTA_STATUS at offset 8: attribute is missing: want 4, got 0"},
		{nested(3, 1, 2, 3), wire.ErrLength, "conntrack entry: CTA_STATUS at offset 0: bad length: want 4, got 3"},
		{nested(18, 1), wire.ErrLength, "conntrack entry: CTA_ZONE at offset 0: bad length: want 2, got 1"},
		{inTuple(nested(3, 1)...), wire.ErrLength, "conntrack entry: CTA_TUPLE_ZONE at offset 4: bad length: want 2, got 1"},
		{inTuple(nested(1, nested(2, 1, 2, 3)...)...), wire.ErrLength, "conntrack entry: CTA_IP_V4_DST at offset 8: bad length: want 4, got 3"},
		{inTuple(nested(1, nested(3, make([]byte, 15)...)...)...), wire.ErrLength, "conntrack entry: CTA_IP_V6_SRC at offset 8: bad length: want 16, got 15"},
		{inTuple(nested(2, nested(1)...)...), wire.ErrLength, "conntrack entry: CTA_PROTO_NUM at offset 8: bad length: want 1, got 0"},
		{inTuple(nested(2, nested(7, 1)...)...), wire.ErrLength, "conntrack entry: CTA_PROTO_ICMPV6_ID at offset 8: bad length: want 2, got 1"},
		{inTuple(1, 2, 3), wire.ErrTruncated, "conntrack entry: nlattr at offset 4: message is truncated: want 4, got 3"},
		{nested(5, rawAttr(9, 1)...), wire.ErrTruncated, "conntrack entry: nla_len at offset 4: message is truncated: want 9, got 4"},
		{rawAttr(3, 7), wire.ErrLength, "conntrack entry: nla_len at offset 0: bad length: want 4, got 3"},
		{append(nested(8, 0, 0, 0, 1), 1), wire.ErrTruncated, "conntrack entry: nlattr at offset 8: message is truncated: want 4, got 1"},
	}
	for _, tt := range tests {
		var c wire.Conntrack
		err := c.Parse(tt.attrs)
		if !errors.Is(err, tt.err) || err.Error() != tt.text {
			t.Errorf("error %v, want %q", err, tt.text)
		}
	}
}

// TestConntrackPacket decodes the entry of a packet message.
func TestConntrackPacket(t *testing.T) {
	body := newNFQ(2, 1).attr(1, make([]byte, 7)...).attr(0x800b, ctUDP().b...).be32(12, 3).b
	var p wire.NFQPacket
	var c wire.Conntrack
	if err := errors.Join(p.Parse(body), c.Parse(p.Conntrack)); err != nil {
		t.Fatal(err)
	}
	same(t, "entry", c, ctUDPWant)
	if p.CTInfo != wire.CTEstablishedReply {
		t.Errorf("relation %v, want %v", p.CTInfo, wire.CTEstablishedReply)
	}
}
