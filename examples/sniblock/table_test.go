package main

import (
	"net/netip"
	"testing"
	"time"

	"github.com/ipqueue/ipqueue/queue"
)

// flowOf returns the flow of a client with the port.
func flowOf(port uint16) queue.Flow {
	return queue.Flow{
		Protocol:    protocolTCP,
		Source:      netip.AddrPortFrom(netip.IPv6Loopback(), port),
		Destination: netip.AddrPortFrom(netip.IPv6Loopback(), 443),
	}
}

func TestLRU(t *testing.T) {
	var l lru[string, int]
	if _, _, ok := l.oldest(); ok {
		t.Error("an empty lru has an oldest entry")
	}
	l.add("a", 1)
	l.add("b", 2)
	if got, ok := l.get("a"); got != 1 || !ok {
		t.Errorf("get(a) = %d, %t", got, ok)
	}
	if key, value, ok := l.oldest(); key != "b" || value != 2 || !ok {
		t.Errorf("oldest = %s, %d, %t, want b", key, value, ok)
	}
	l.remove("b")
	l.remove("nothing")
	if _, ok := l.get("b"); ok || l.len() != 1 {
		t.Errorf("b is there: %t, of %d", ok, l.len())
	}
}

func TestSet(t *testing.T) {
	s := set[int]{most: 100}
	for i := range 1000 {
		s.add(i)
		s.has(7) // keeps 7 in the set
	}
	for i := range 1000 {
		_, young := s.young[i]
		_, old := s.old[i]
		if got := young || old; (i >= 900 || i == 7) && !got || i < 790 && i != 7 && got {
			t.Errorf("%d is there: %t", i, got)
		}
	}
	if len(s.young) > 100 || len(s.old) > 100 || s.has(8) || !s.has(999) {
		t.Errorf("the set has %d and %d keys", len(s.young), len(s.old))
	}
}

// newTCPTable returns a table with the given memory in bytes.
func newTCPTable(memory int) *tcpTable {
	return &tcpTable{memory: memory, until: time.Unix(2000, 0), settled: set[queue.Flow]{most: 100}}
}

// say passes a segment to the table with a policy that refuses no name.
func (t *tcpTable) say(port uint16, s segment) decision {
	return t.take(flowOf(port), s, time.Unix(1000, 0), func(hello) string { return "" }).decision
}

// TestMemory checks that the table never exceeds its memory, and that it
// refuses connections that it had to forget.
func TestMemory(t *testing.T) {
	for name, data := range map[string]string{"without data": "", "with data": string(make([]byte, 1000)), "with a gap": "x"} {
		table := newTCPTable(100_000)
		for port := range uint16(5000) {
			table.say(port, segment{sequence: 1, syn: true})
			if data != "" {
				s := segment{sequence: 1, data: []byte("\x16\x03\x01\x10\x00" + data)}
				if name == "with a gap" {
					s.sequence += 1000
				}
				if got := table.say(port, s); got != pass {
					t.Fatalf("%s: decision %d, want pass", name, got)
				}
			}
			if table.used > table.memory {
				t.Fatalf("%s: %d bytes used of %d", name, table.used, table.memory)
			}
		}
		used := 0
		for e := table.open.order.Front(); e != nil; e = e.Next() {
			used += e.Value.(*entry[queue.Flow, *connection]).value.size()
		}
		if used != table.used {
			t.Errorf("%s: the table says it uses %d bytes and uses %d", name, table.used, used)
		}
		if got := table.say(0, segment{sequence: 1, data: []byte("GET / HTTP/1.1")}); got != refuse {
			t.Errorf("%s: decision on a forgotten connection %d, want refuse", name, got)
		}
		if got := table.say(4999, segment{sequence: 6 + uint32(len(data)), data: []byte("x")}); got != pass {
			t.Errorf("%s: decision on a remembered connection %d, want pass", name, got)
		}
		if got := table.say(0, segment{sequence: 77, syn: true}); got != pass {
			t.Errorf("%s: decision on a SYN %d, want pass", name, got)
		}
	}
}

// TestForgottenAfterSettled checks that a client cannot hide a connection
// behind an earlier, settled one between the same ports.
func TestForgottenAfterSettled(t *testing.T) {
	table := newTCPTable(100_000)
	good, bad := helloTo(t, "good.example"), helloTo(t, "bad.example")
	say := func(at uint32, data []byte) decision { return table.say(7, segment{sequence: at, data: data}) }
	table.say(7, segment{sequence: 1, syn: true})
	say(1, good)
	if got := say(1+uint32(len(good)), typed(23, 0)); got != settle {
		t.Fatalf("decision %d, want settle", got)
	}
	table.say(7, segment{sequence: 1 << 20, syn: true})
	say(1<<20, bad[:50])
	for port := range uint16(1000) {
		table.say(100+port, segment{sequence: 1, syn: true})
	}
	if got := say(1<<20+50, bad[50:]); got != refuse {
		t.Errorf("decision on the second half %d, want refuse", got)
	}
}

// TestSettles checks when a connection settles: as soon as it can no longer be
// refused.
func TestSettles(t *testing.T) {
	good := string(helloTo(t, "good.example"))
	for _, test := range []struct {
		name     string
		segments []string
		settles  int // the index of the first segment that settles it; the ones before pass
	}{
		{"TLS 1.3", []string{good, string(typed(20, 1)), string(typed(23, 0)), "more"}, 2},
		{"TLS 1.2", []string{good, string(record(message(16, []byte("key")))), "more"}, 1},
		{"not TLS", []string{"GET / HTTP/1.1\r\n", "Cookie: " + string(make([]byte, longestPreamble-30)), "\r\n\r\n12", "3"}, 3},
		{"early data", []string{string(record(plainHello(extension(42)))), string(typed(23, make([]byte, 1000)...)), string(typed(23, make([]byte, 65000)...)), "more"}, 2},
	} {
		table := newTCPTable(1 << 20)
		table.say(1, segment{sequence: 100, syn: true})
		at := uint32(100)
		for i, data := range test.segments {
			want := pass
			if i >= test.settles {
				want = settle
			}
			if got := table.say(1, segment{sequence: at, data: []byte(data)}); got != want {
				t.Errorf("%s: decision %d on segment %d, want %d", test.name, got, i, want)
			}
			at += uint32(len(data))
		}
		if table.used != 0 || table.open.len() != 0 {
			t.Errorf("%s: %d bytes are still used, for %d connections", test.name, table.used, table.open.len())
		}
	}
}
