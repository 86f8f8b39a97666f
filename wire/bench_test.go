package wire_test

import (
	"strconv"
	"testing"

	"github.com/ipqueue/ipqueue/wire"
)

// usualNFQPacket is a packet as NFQUEUE sends it for a local connection: id,
// output device, mark, owner, checksum information, payload.
func usualNFQPacket(payload int) []byte {
	return newNFQ(2, 1).attr(1, 0, 0, 0, 7, 8, 0, 3).be32(6, 2).be32(3, 9).be32(16, 1000).be32(17, 1000).be32(14, 1).attr(10, make([]byte, payload)...).b
}

func BenchmarkNFQPacketParse(b *testing.B) {
	all := newNFQ(7, 1)
	for _, a := range nfqAttrs {
		all.attr(a.typ, a.data...)
	}
	messages := []struct {
		name string
		body []byte
	}{
		{"head-only", newNFQ(2, 1).attr(1, 0, 0, 0, 7, 8, 0, 3).b},
		{"usual-64", usualNFQPacket(64)},
		{"usual-1400", usualNFQPacket(1400)},
		{"all", all.b},
	}
	for _, m := range messages {
		b.Run(m.name, func(b *testing.B) {
			b.ReportAllocs()
			var p wire.NFQPacket
			for b.Loop() {
				if err := p.Parse(m.body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkConntrackParse(b *testing.B) {
	for _, e := range []struct {
		name  string
		attrs []byte
	}{{"UDP", ctUDP().b}, {"ICMPv6-all", ctICMPv6().b}} {
		b.Run(e.name, func(b *testing.B) {
			b.ReportAllocs()
			var c wire.Conntrack
			for b.Loop() {
				if err := c.Parse(e.attrs); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendCTChange(b *testing.B) {
	buf := make([]byte, 0, wire.CTChangeMax)
	for _, c := range ctChanges {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				wire.AppendCTChange(buf, &c.change)
			}
		})
	}
}

func BenchmarkAppendNFQVerdict(b *testing.B) {
	verdicts := []struct {
		name    string
		verdict wire.NFQVerdict
	}{
		{"accept", wire.NFQVerdict{Queue: 1, ID: 2, Verdict: wire.VerdictAccept}},
		{"mark", wire.NFQVerdict{Queue: 1, ID: 2, Verdict: wire.VerdictAccept, SetMark: true, Mark: 3}},
		{"payload-1400", wire.NFQVerdict{Queue: 1, ID: 2, Verdict: wire.VerdictAccept, SetPayload: true, Payload: make([]byte, 1400)}},
	}
	buf := make([]byte, 0, 4096)
	for _, v := range verdicts {
		b.Run(v.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				wire.AppendNFQVerdict(buf, 0, 3, 4, &v.verdict)
			}
		})
	}
}

func BenchmarkHeaderParse(b *testing.B) {
	for _, m := range machines {
		b.Run(m.name, func(b *testing.B) {
			b.ReportAllocs()
			msg := m.message(wire.Header{Type: wire.NFQPacketType}, make([]byte, 100), 0)
			var h wire.Header
			for b.Loop() {
				if _, err := h.Parse(m.layout, msg); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkIPQPacketParse(b *testing.B) {
	for _, m := range machines {
		b.Run(m.name, func(b *testing.B) {
			b.ReportAllocs()
			body := m.ipqPacket(&wire.IPQPacket{InDev: []byte("eth0"), OutDev: []byte("eth1"), Payload: make([]byte, 1400)})
			var p wire.IPQPacket
			for b.Loop() {
				if err := p.Parse(m.layout, body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendIPQVerdict(b *testing.B) {
	buf := make([]byte, 0, 4096)
	for _, n := range []int{0, 1400} {
		b.Run("payload-"+strconv.Itoa(n), func(b *testing.B) {
			b.ReportAllocs()
			payload := make([]byte, n)
			for b.Loop() {
				wire.LE64.AppendIPQVerdict(buf, 0, 1, 2, 3, wire.VerdictAccept, payload)
			}
		})
	}
}

func BenchmarkParseNFQStatus(b *testing.B) {
	text := testdata(b, "proc_nfnetlink_queue_pending.txt")
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := wire.ParseNFQStatus(text, 3); err != nil {
			b.Fatal(err)
		}
	}
}
