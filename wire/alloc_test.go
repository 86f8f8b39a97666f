package wire_test

import (
	"testing"

	"github.com/ipqueue/ipqueue/wire"
)

// TestNoAllocations checks that an encoder with enough capacity and a decoder of
// a valid message allocate nothing.
func TestNoAllocations(t *testing.T) {
	buf := make([]byte, 0, 1<<12)
	payload := make([]byte, 1400)
	verdict := verdictCases[len(verdictCases)-1].verdict
	config := configCases[len(configCases)-1].config
	all := newNFQ(7, 1)
	for _, a := range nfqAttrs {
		all.attr(a.typ, a.data...)
	}
	h := wire.Header{Type: wire.NLMsgError, Len: 36}
	packet, mode := machines[3].ipqPacket(&wire.IPQPacket{Payload: payload}), machines[3].ipqMode(1, 2)
	ipqVerdict := machines[3].ipqVerdict(1, 2, payload)
	message, reply := machines[3].message(h, payload, 0), make([]byte, 36)
	nfqVerdict := verdictCases[len(verdictCases)-1].want.b
	nfqConfig := configCases[len(configCases)-1].want.b
	nfqStatus := testdata(t, "proc_nfnetlink_queue_pending.txt")
	ipqStatus := testdata(t, "proc_ip_queue.txt")
	entry, change := ctICMPv6().b, ctChanges[len(ctChanges)-1].change
	l := wire.BE64

	var (
		header wire.Header
		np     wire.NFQPacket
		nv     wire.NFQVerdict
		nc     wire.NFQConfig
		ip     wire.IPQPacket
		ct     wire.Conntrack
	)
	tests := []struct {
		name string
		f    func() error
	}{
		{"AppendHeader", func() error { l.AppendHeader(buf, h); return nil }},
		{"AppendAttr", func() error { wire.AppendAttr(buf, 1, payload); return nil }},
		{"AppendIPQMode", func() error { l.AppendIPQMode(buf, 0, 1, 2, wire.CopyPacket, 3); return nil }},
		{"AppendIPQVerdict", func() error { l.AppendIPQVerdict(buf, 0, 1, 2, 3, wire.VerdictAccept, payload); return nil }},
		{"AppendNFQConfig", func() error { wire.AppendNFQConfig(buf[:1], 0, 1, 2, &config); return nil }},
		{"AppendNFQVerdict", func() error { wire.AppendNFQVerdict(buf[:1], 0, 1, 2, &verdict); return nil }},
		{"AppendNFQVerdictBatch", func() error { wire.AppendNFQVerdictBatch(buf[:1], 0, 1, 2, &verdict); return nil }},
		{"Validate", func() error { return verdict.Validate() }},
		{"Header.Parse", func() error { _, err := header.Parse(l, message); return err }},
		{"ParseError", func() error { _, err := l.ParseError(h, reply); return err }},
		{"NextAttr", func() error { _, _, err := wire.NextAttr(all.b[4:]); return err }},
		{"IPQPacket.Parse", func() error { return ip.Parse(l, packet) }},
		{"ParseIPQMode", func() error { _, _, err := l.ParseIPQMode(mode); return err }},
		{"ParseIPQVerdict", func() error { _, _, _, err := l.ParseIPQVerdict(ipqVerdict); return err }},
		{"NFQPacket.Parse", func() error { return np.Parse(all.b) }},
		{"NFQVerdict.Parse", func() error { return nv.Parse(nfqVerdict) }},
		{"Conntrack.Parse", func() error { return ct.Parse(entry) }},
		{"AppendCTChange", func() error { wire.AppendCTChange(buf, &change); return nil }},
		{"NFQConfig.Parse", func() error { return nc.Parse(nfqConfig) }},
		{"ParseNFQStatus", func() error { _, _, err := wire.ParseNFQStatus(nfqStatus, 3); return err }},
		{"ParseIPQStatus", func() error { _, err := wire.ParseIPQStatus(ipqStatus); return err }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.f(); err != nil {
				t.Fatal(err)
			}
			if n := testing.AllocsPerRun(100, func() { _ = tt.f() }); n != 0 {
				t.Errorf("%v allocations, want 0", n)
			}
		})
	}
}
