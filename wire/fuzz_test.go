package wire_test

import (
	"bytes"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/ipqueue/ipqueue/wire"
)

// addCaptures seeds a target with the bodies of all captured messages of one
// kind that are not too long to be changed often, and with each of them cut.
func addCaptures(f *testing.F, kind string, add func(layout wire.Layout, h wire.Header, body []byte)) {
	f.Helper()
	for file, l := range captureLayouts {
		for _, c := range captures(f, file) {
			var h wire.Header
			if body, err := h.Parse(l, c.data); c.is(kind) && err == nil && len(body) < 300 {
				add(l, h, body)
				add(l, h, body[:len(body)*2/3])
			}
		}
	}
}

// onFences decodes b twice with different bytes behind its end. decode returns
// what it decoded, by value, and the slices in it, which must be inside.
func onFences[T any](t *testing.T, b []byte, decode func(b []byte) (T, [][]byte, error)) (T, error) {
	t.Helper()
	ones, twos := fenced(b, 1), fenced(b, 2)
	v1, slices, err1 := decode(ones)
	for i, s := range slices {
		within(t, fmt.Sprintf("slice %d", i), s, ones)
	}
	v2, _, err2 := decode(twos)
	if !reflect.DeepEqual(v1, v2) || fmt.Sprint(err1) != fmt.Sprint(err2) {
		t.Errorf("depends on what is behind the end:\n%+v, %v\n%+v, %v", v1, err1, v2, err2)
	}
	if !bytes.Equal(ones, b) {
		t.Error("the input was changed")
	}
	return v1, err1
}

// same fails the test unless a and b are deeply equal.
func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got\n%+v, want\n%+v", what, got, want)
	}
}

func FuzzHeader(f *testing.F) {
	for i, m := range machines {
		f.Add(uint8(i), m.message(someHeader, []byte("body"), 0))
		f.Add(uint8(i), m.message(wire.Header{}, nil, 1))
	}
	type result struct {
		h    wire.Header
		body []byte
	}
	f.Fuzz(func(t *testing.T, layout uint8, b []byte) {
		l := machines[layout%4].layout
		r, err := onFences(t, b, func(b []byte) (result, [][]byte, error) {
			var h wire.Header
			body, err := h.Parse(l, b)
			return result{h, body}, [][]byte{body}, err
		})
		if len(b) < wire.HeaderLen {
			if err == nil {
				t.Error("no error")
			}
			return
		}
		again := l.AppendHeader(nil, r.h)
		sameBytes(t, "header", again, b[:wire.HeaderLen])
		if err == nil {
			sameBytes(t, "message", append(again, r.body...), b[:r.h.Len])
		}
	})
}

func FuzzError(f *testing.F) {
	addCaptures(f, "NLMSG_ERROR ", func(l wire.Layout, h wire.Header, body []byte) { f.Add(uint8(l), h.Flags, body) })
	f.Fuzz(func(t *testing.T, layout uint8, flags uint16, b []byte) {
		l := machines[layout%4].layout
		m, err := onFences(t, b, func(b []byte) (wire.ErrorMessage, [][]byte, error) {
			m, err := l.ParseError(wire.Header{Type: wire.NLMsgError, Flags: flags}, b)
			return m, [][]byte{m.Body}, err
		})
		if err != nil {
			return
		}
		sameBytes(t, "request", l.AppendHeader(nil, m.Request), b[4:20])
		if !bytes.HasPrefix(b[20:], m.Body) || uint64(len(m.Body))+wire.HeaderLen > max(uint64(m.Request.Len), wire.HeaderLen) {
			t.Errorf("body %x is not that of %+v in %x", m.Body, m.Request, b)
		}
		if len(m.Body) > 0 && (m.Errno == 0 || flags&flagCapped != 0) {
			t.Errorf("body %x, errno %d, flags %#x", m.Body, m.Errno, flags)
		}
	})
}

func FuzzAttr(f *testing.F) {
	f.Add(headlessAttrs())
	f.Add(rawAttr(3, 1))
	f.Add(rawAttr(6, 1, 1, 2, 3, 4))
	f.Fuzz(func(t *testing.T, b []byte) {
		all, err := onFences(t, b, func(b []byte) ([]wire.Attr, [][]byte, error) {
			var all []wire.Attr
			var data [][]byte
			for rest := b; len(rest) > 0; {
				a, next, err := wire.NextAttr(rest)
				if err != nil {
					return all, data, err
				}
				all, data, rest = append(all, a), append(data, a.Data), next
			}
			return all, data, nil
		})
		if len(all) > len(b)/4 || err == nil && len(b) > 0 && len(all) == 0 {
			t.Errorf("%d attributes in %d bytes, error %v", len(all), len(b), err)
		}
		var again []byte
		for _, a := range all {
			again = wire.AppendAttr(again, a.Type, a.Data)
		}
		for i, rest := 0, again; len(rest) > 0; i++ {
			a, next, err := wire.NextAttr(rest)
			if err != nil {
				t.Fatal(err)
			}
			same(t, "attribute", a, all[i])
			rest = next
		}
	})
}

// headlessAttrs returns the attributes of a packet that has every attribute.
func headlessAttrs() []byte {
	n := &nfqBuilder{}
	for _, a := range nfqAttrs {
		n.attr(a.typ, a.data...)
	}
	return n.b
}

// rebuildNFQ encodes a packet as the kernel does.
func rebuildNFQ(p *wire.NFQPacket) []byte {
	n := newNFQ(p.Family, p.Queue)
	for _, a := range []struct {
		has  wire.NFQFields
		data []byte
	}{
		{wire.HasPacketHeader, append(hex32(p.ID), byte(p.HWProtocol>>8), byte(p.HWProtocol), byte(p.Hook))},
		{wire.HasMark, hex32(p.Mark)},
		{wire.HasTimestamp, append(hex64(p.TimeSec), hex64(p.TimeUsec)...)},
		{wire.HasInDev, hex32(p.InDev)},
		{wire.HasOutDev, hex32(p.OutDev)},
		{wire.HasPhysInDev, hex32(p.PhysInDev)},
		{wire.HasPhysOutDev, hex32(p.PhysOutDev)},
		{wire.HasHWAddr, append([]byte{0, p.HWAddrLen, 0, 0}, p.HWAddr[:]...)},
		{wire.HasConntrack, p.Conntrack},
		{wire.HasCTInfo, hex32(uint32(p.CTInfo))},
		{wire.HasCapLen, hex32(p.CapLen)},
		{wire.HasSKBInfo, hex32(uint32(p.SKBInfo))},
		{wire.HasUID, hex32(p.UID)},
		{wire.HasGID, hex32(p.GID)},
		{wire.HasSecCtx, p.SecCtx},
		{wire.HasVLAN, vlanAttrs(p.VLANProto, p.VLANTCI, 2, 1)},
		{wire.HasLinkHeader, p.LinkHeader},
		{wire.HasPriority, hex32(p.Priority)},
		{wire.HasClassID, hex32(p.ClassID)},
		{wire.HasPayload, p.Payload},
	} {
		if p.Has&a.has != 0 {
			typ := uint16(0)
			for a.has>>typ != 1 {
				typ++
			}
			n.attr(typ, a.data...)
		}
	}
	return n.b
}

func hex64(v uint64) []byte { return append(hex32(uint32(v>>32)), hex32(uint32(v))...) }

func FuzzNFQPacket(f *testing.F) {
	addCaptures(f, "NFQ_PACKET ", func(_ wire.Layout, _ wire.Header, body []byte) { f.Add(body) })
	f.Add(append([]byte{2, 0, 0, 1}, headlessAttrs()...))
	f.Fuzz(func(t *testing.T, b []byte) {
		parse := func(b []byte) (wire.NFQPacket, [][]byte, error) {
			p := wire.NFQPacket{ID: 5, Payload: []byte("old"), Has: 1 << 1}
			err := p.Parse(b)
			return p, [][]byte{p.Payload, p.Conntrack, p.SecCtx, p.LinkHeader}, err
		}
		p, err := onFences(t, b, parse)
		if p.Has&wire.HasPacketHeader == 0 {
			if err == nil || p.ID != 0 {
				t.Errorf("no packet header, but ID %d, error %v", p.ID, err)
			}
			return
		}
		again, _, err := parse(rebuildNFQ(&p)) // also what was read before an error
		same(t, "rebuilt", again, p)
		if err != nil {
			t.Error(err)
		}
	})
}

func FuzzNFQVerdict(f *testing.F) {
	addCaptures(f, "tx ", func(_ wire.Layout, h wire.Header, body []byte) {
		if h.Type == wire.NFQVerdictType || h.Type == wire.NFQVerdictBatchType {
			f.Add(body)
		}
	})
	for _, v := range verdictCases {
		if len(v.want.b) < 300 {
			f.Add(v.want.b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		parse := func(b []byte) (wire.NFQVerdict, [][]byte, error) {
			v := wire.NFQVerdict{ID: 5, Payload: []byte("old")}
			err := v.Parse(b)
			return v, [][]byte{v.Payload, v.Conntrack, v.Expect, v.LinkHeader}, err
		}
		v, _ := onFences(t, b, parse)
		first := wire.AppendNFQVerdict(nil, 0, 1, 2, &v)
		again, _, err := parse(first[wire.HeaderLen:])
		if err != nil {
			t.Error(err)
		}
		if (&wire.NFQVerdict{Verdict: v.Verdict}).Validate() != nil {
			v.Verdict = again.Verdict // without its stray bits
		}
		same(t, "verdict", again, v)
		sameBytes(t, "encoded again", wire.AppendNFQVerdict(nil, 0, 1, 2, &again), first)

		batch, _, err := parse(wire.AppendNFQVerdictBatch(nil, 0, 1, 2, &v)[wire.HeaderLen:])
		want := wire.NFQVerdict{Queue: v.Queue, ID: v.ID, Verdict: v.Verdict, SetMark: v.SetMark, Mark: v.Mark, SetPriority: v.SetPriority, Priority: v.Priority}
		same(t, "batch", batch, want)
		if err != nil {
			t.Error(err)
		}
	})
}

// rebuildConntrack encodes an entry as the kernel does.
func rebuildConntrack(c *wire.Conntrack) []byte {
	n := &nfqBuilder{}
	n.attr(0x8001, rebuildTuple(&c.Original)...).attr(0x8002, rebuildTuple(&c.Reply)...)
	for _, a := range []struct {
		has  wire.CTFields
		typ  uint16
		data []byte
	}{
		{wire.CTHasID, 12, hex32(c.ID)},
		{1 << 3, 3, hex32(uint32(c.Status))},
		{wire.CTHasTimeout, 7, hex32(c.Timeout)},
		{wire.CTHasMark, 8, hex32(c.Mark)},
		{wire.CTHasZone, 18, []byte{byte(c.Zone >> 8), byte(c.Zone)}},
		{wire.CTHasHelper, 5, (&nfqBuilder{}).attr(1, append(bytes.Clone(c.Helper), 0)...).b},
		{wire.CTHasLabels, 22, wire.AppendCTChange(nil, &wire.CTChange{SetLabels: true, Labels: c.Labels})[4:20]},
	} {
		if c.Has&a.has != 0 {
			n.attr(a.typ, a.data...)
		}
	}
	return n.b
}

func rebuildTuple(t *wire.CTTuple) []byte {
	ip := &nfqBuilder{}
	for i, a := range []netip.Addr{t.Source.Addr(), t.Destination.Addr()} {
		switch {
		case a.Is4():
			ip.attr(uint16(1+i), a.AsSlice()...)
		case a.Is6():
			ip.attr(uint16(3+i), a.AsSlice()...)
		}
	}
	proto := (&nfqBuilder{}).attr(1, t.Protocol).be16(2, t.Source.Port()).be16(3, t.Destination.Port()).
		be16(4, t.ICMPID).attr(5, t.ICMPType).attr(6, t.ICMPCode)
	return append(ctTuple(ip, proto), (&nfqBuilder{}).be16(3, t.Zone).pad()...)
}

// FuzzConntrack decodes connection tracking entries. A decoded entry must survive
// encoding and decoding, lie inside the input, and depend on nothing else.
func FuzzConntrack(f *testing.F) {
	for _, b := range [][]byte{ctUDP().b, ctICMPv6().b} {
		f.Add(b)
		f.Add(b[:len(b)*2/3])
		f.Add(append(bytes.Clone(b), b...))
	}
	for _, c := range captures(f, "ct_le64.hex") {
		f.Add(c.data)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		parse := func(b []byte) (wire.Conntrack, [][]byte, error) {
			c := wire.Conntrack{ID: 5, Helper: []byte("old")}
			err := c.Parse(b)
			return c, [][]byte{c.Helper}, err
		}
		c, err := onFences(t, b, parse)
		if err != nil {
			return
		}
		if all := wire.CTFields(1<<1 | 1<<2 | 1<<3); c.Has&all != all {
			t.Errorf("no error, but only %v", c.Has)
		}
		c.Helper = bytes.Clone(c.Helper)
		if c.Has&wire.CTHasHelper != 0 && c.Helper == nil {
			c.Helper = []byte{} // a helper with an empty name
		}
		again, _, err := parse(rebuildConntrack(&c))
		same(t, "rebuilt", again, c)
		if err != nil {
			t.Error(err)
		}
	})
}

func FuzzNFQConfig(f *testing.F) {
	addCaptures(f, "tx ", func(_ wire.Layout, h wire.Header, body []byte) {
		if h.Type == wire.NFQConfigType {
			f.Add(body)
		}
	})
	for _, c := range configCases {
		f.Add(c.want.b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		parse := func(b []byte) (wire.NFQConfig, [][]byte, error) {
			c := wire.NFQConfig{SetMode: true, Mask: 1}
			err := c.Parse(b)
			return c, nil, err
		}
		c, _ := onFences(t, b, parse)
		first := wire.AppendNFQConfig(nil, 0, 1, 2, &c)
		again, _, err := parse(first[wire.HeaderLen:])
		if err != nil {
			t.Error(err)
		}
		if c.Command == 0 {
			c.Family = 0 // goes with a command only
		}
		if c.Mask == 0 {
			c.Flags = 0 // have no meaning then and are not sent
		}
		same(t, "config", again, c)
		sameBytes(t, "encoded again", wire.AppendNFQConfig(nil, 0, 1, 2, &again), first)
	})
}

func FuzzIPQPacket(f *testing.F) {
	addCaptures(f, "IPQM_PACKET ", func(l wire.Layout, _ wire.Header, body []byte) { f.Add(uint8(l), body) })
	for i, m := range machines {
		f.Add(uint8(i), m.ipqPacket(&wire.IPQPacket{ID: 1, InDev: []byte("lo"), HWAddrLen: 6, Payload: []byte("payload")}))
	}
	f.Fuzz(func(t *testing.T, layout uint8, b []byte) {
		m := machines[layout%4]
		parse := func(b []byte) (wire.IPQPacket, [][]byte, error) {
			p := wire.IPQPacket{ID: 5, HasID: true, Payload: []byte("old")}
			err := p.Parse(m.layout, b)
			return p, [][]byte{p.InDev, p.OutDev, p.Payload}, err
		}
		p, err := onFences(t, b, parse)
		if p.HasID != (len(b) >= m.word) || !p.HasID && p.ID != 0 {
			t.Errorf("ID %d, HasID %v in %d bytes", p.ID, p.HasID, len(b))
		}
		if err != nil {
			return
		}
		again, _, err := parse(m.ipqPacket(&p))
		same(t, "rebuilt", again, p)
		if err != nil {
			t.Error(err)
		}
	})
}

func FuzzIPQMode(f *testing.F) {
	for i, m := range machines {
		f.Add(uint8(i), m.ipqMode(2, 0xffff))
		f.Add(uint8(i), m.ipqMode(255, 1)[:m.word])
	}
	type mode struct {
		mode wire.CopyMode
		rng  uint64
	}
	f.Fuzz(func(t *testing.T, layout uint8, b []byte) {
		m := machines[layout%4]
		v, err := onFences(t, b, func(b []byte) (mode, [][]byte, error) {
			c, r, err := m.layout.ParseIPQMode(b)
			return mode{c, r}, nil, err
		})
		if (err == nil) != (len(b) >= 3*m.word) {
			t.Errorf("error %v for %d bytes", err, len(b))
		}
		msg := m.layout.AppendIPQMode(nil, 0, 1, 2, v.mode, v.rng)
		sameBytes(t, "message", msg[wire.HeaderLen:], m.ipqMode(uint8(v.mode), v.rng))
		c, r, err := m.layout.ParseIPQMode(msg[wire.HeaderLen:])
		same(t, "mode", mode{c, r}, v)
		if err != nil {
			t.Error(err)
		}
	})
}

func FuzzIPQVerdict(f *testing.F) {
	for i, m := range machines {
		f.Add(uint8(i), m.ipqVerdict(1<<31, 1, nil))
		f.Add(uint8(i), m.ipqVerdict(7, 5, []byte("replacement")))
		f.Add(uint8(i), m.ipqVerdict(7, 5, []byte("replacement"))[:3*m.word+4])
	}
	type verdict struct {
		id      uint64
		v       wire.Verdict
		payload []byte
	}
	f.Fuzz(func(t *testing.T, layout uint8, b []byte) {
		m := machines[layout%4]
		v, err := onFences(t, b, func(b []byte) (verdict, [][]byte, error) {
			id, v, p, err := m.layout.ParseIPQVerdict(b)
			return verdict{id, v, p}, [][]byte{p}, err
		})
		if len(b) < 2*m.word && (v.id != 0 || v.v != 0) {
			t.Errorf("id %d, verdict %v in %d bytes", v.id, v.v, len(b))
		}
		if err != nil {
			return
		}
		msg := m.layout.AppendIPQVerdict(nil, 0, 1, 2, v.id, v.v, v.payload)
		sameBytes(t, "message", msg[wire.HeaderLen:], m.ipqVerdict(v.id, uint32(v.v), v.payload))
		id, word, payload, err := m.layout.ParseIPQVerdict(msg[wire.HeaderLen:])
		same(t, "verdict", verdict{id, word, payload}, v)
		if err != nil {
			t.Error(err)
		}
	})
}

func FuzzProc(f *testing.F) {
	for _, file := range []string{"proc_ip_queue.txt", "proc_ip6_queue.txt", "proc_nf_queue.txt", "proc_nfnetlink_queue_bound.txt", "proc_nfnetlink_queue_pending.txt"} {
		f.Add(testdata(f, file), uint16(3))
	}
	f.Add([]byte("7 -1 3 4 5 6 7 8 9"), uint16(7))
	f.Fuzz(func(t *testing.T, b []byte, queue uint16) {
		if s, ok, err := wire.ParseNFQStatus(b, queue); ok {
			if s.Queue != queue || err != nil {
				t.Errorf("queue %d, error %v, want %d", s.Queue, err, queue)
			}
			row := fmt.Sprintln(s.Queue, s.Port, s.Pending, uint8(s.CopyMode), s.CopyRange, s.QueueDropped, s.UserDropped, s.LastID, 1)
			again, _, err := wire.ParseNFQStatus([]byte(row), queue)
			if again != s || err != nil {
				t.Errorf("%q: got %+v, %v, want %+v", row, again, err, s)
			}
		}

		if s, err := wire.ParseIPQStatus(b); err == nil {
			text := ipqStatusText(s)
			again, err := wire.ParseIPQStatus([]byte(text))
			if again != s || err != nil {
				t.Errorf("%q: got %+v, %v, want %+v", text, again, err, s)
			}
		}

		if handlers, err := wire.ParseNFQueueHandlers(b); err == nil {
			var text strings.Builder
			for family, name := range handlers {
				fmt.Fprintf(&text, "%2d %s\n", family, name)
			}
			again, err := wire.ParseNFQueueHandlers([]byte(text.String()))
			if !maps.Equal(again, handlers) || err != nil {
				t.Errorf("%q: got %v, %v, want %v", text.String(), again, err, handlers)
			}
		}
	})
}

// ipqStatusText returns the text that Linux 3.4 prints for s.
func ipqStatusText(s wire.IPQStatus) string {
	return ipqLines("Peer PID", s.Port, "Copy mode", uint8(s.CopyMode), "Copy range", s.CopyRange, "Queue length", s.Pending,
		"Queue max. length", s.MaxLen, "Queue dropped", s.QueueDropped, "Netlink dropped", s.UserDropped)
}
