package main

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipqueue/ipqueue/checksum"
	"github.com/ipqueue/ipqueue/queue/queuetest"
)

func mustFix(b []byte) {
	if err := checksum.Fix(b); err != nil {
		panic(err)
	}
}

// A step is a segment, and whether it passes.
type step struct {
	segmentAt
	passes bool
}

func walk(t *testing.T, c client, steps ...step) {
	t.Helper()
	for i, s := range steps {
		got := c.send(s.segmentAt).Wait().Fate
		if got.Passes() != s.passes {
			t.Errorf("segment %d was %v, want %t", i, got, s.passes)
		}
	}
}

// TestSegments checks segments that some servers accept and others ignore.
func TestSegments(t *testing.T) {
	bad, good := string(helloTo(t, "bad.example")), string(helloTo(t, "good.example"))
	second := string(typed(20, 1)) + string(typed(23, make([]byte, 40)...))
	passes := func(s segmentAt) step { return step{s, true} }
	dropped := func(s segmentAt) step { return step{s, false} }
	at := func(at int, data string) segmentAt { return segmentAt{at: at, data: data} }
	begun := passes(syn)
	refused, letThrough := dropped(at(0, bad)), passes(at(0, good))
	for _, test := range []struct {
		name  string
		steps []step
	}{
		{"refused, again and after", []step{begun, passes(at(0, "")), refused, refused, dropped(at(len(bad), "more")), passes(at(0, ""))}},
		{"good, and after", []step{begun, letThrough, passes(at(len(good), second)), passes(at(len(good)+len(second), "more"))}},
		{"good, again", []step{begun, letThrough, letThrough, passes(at(len(good), second))}},
		{"in order", []step{begun, passes(at(0, bad[:20])), dropped(at(20, bad[20:]))}},
		{"out of order", []step{begun, passes(at(20, bad[20:])), dropped(at(0, bad[:20]))}},
		{"SYN again", []step{begun, passes(at(0, bad[:20])), begun, dropped(at(20, bad[20:]))}},
		{"with a FIN", []step{begun, dropped(segmentAt{data: bad, flags: queuetest.ACK | queuetest.FIN})}},
		{"in a SYN", []step{dropped(segmentAt{data: bad, flags: queuetest.SYN}), refused}},
		{"half in a SYN", []step{passes(segmentAt{data: bad[:9], flags: queuetest.SYN}), dropped(at(9, bad[9:]))}},
		{"long not TLS", []step{begun, passes(at(0, strings.Repeat("GET ", 1024))), passes(at(4096, "more")), passes(at(4100, bad))}},
		{"behind something else", []step{begun, passes(at(0, "STARTTLS\r\n")), passes(at(10, bad[:9])), dropped(at(19, bad[9:]))}},
		{"contradiction", []step{begun, passes(at(1, "abc")), dropped(at(1, "abd")), dropped(at(0, good))}},
		{"keep-alives", []step{begun, passes(at(-1, "\x00")), passes(at(0, bad[:20])), dropped(at(19, "\xff")), dropped(at(20, bad[20:]))}},
		{"too long", []step{begun, dropped(at(0, string(record([]byte{1, 1, 0, 0}))))}},
		{"empty records for ever", []step{begun, passes(at(0, strings.Repeat(string(record(nil)), 64<<10/5+1)[:65400])), dropped(at(65400, bad))}},

		{"in SYNs of which one counts", []step{begun, passes(segmentAt{at: 500, flags: queuetest.SYN}), passes(at(500, "GET / HTTP/1.1")), passes(at(514, "GET")), refused}},
		{"half before another SYN", []step{begun, passes(at(0, bad[:20])), passes(segmentAt{at: 20, flags: queuetest.SYN}), dropped(at(20, bad[20:]))}},
		{"refused before another SYN", []step{begun, refused, passes(segmentAt{at: 1 << 20, flags: queuetest.SYN}), refused, passes(at(1<<20, good)), refused}},
		{"too many SYNs", []step{begun, passes(at(0, bad[:20])), passes(segmentAt{at: 1 << 20, flags: queuetest.SYN, data: "a"}),
			passes(segmentAt{at: 2 << 20, flags: queuetest.SYN, data: "b"}), passes(segmentAt{at: 3 << 20, flags: queuetest.SYN, data: "c"}),
			dropped(segmentAt{at: 4 << 20, flags: queuetest.SYN, data: "d"}), dropped(at(20, bad[20:]))}},
		{"many empty SYNs", []step{begun, passes(segmentAt{at: 1 << 20, flags: queuetest.SYN}), passes(segmentAt{at: 2 << 20, flags: queuetest.SYN}),
			passes(segmentAt{at: 3 << 20, flags: queuetest.SYN}), passes(segmentAt{at: 4 << 20, flags: queuetest.SYN}), refused, passes(at(4<<20, good))}},
		{"reset that the server ignores", []step{begun, passes(segmentAt{at: 9999, flags: queuetest.RST}), refused}},
		{"good in a SYN that is not taken", []step{passes(segmentAt{data: "GET / HTTP/1.1", flags: queuetest.SYN}), passes(at(14, bad[14:])), refused}},
		{"acknowledgement that is not taken", []step{begun, passes(segmentAt{ack: 7}), passes(segmentAt{data: "GET / HTTP/1.1", ack: 99}), passes(at(14, bad[14:])), refused}},
		{"acknowledgement alone that is not taken", []step{begun, passes(segmentAt{ack: 99}), passes(segmentAt{data: "GET / HTTP/1.1", ack: 99}), refused}},
		{"server speaks first", []step{begun, passes(segmentAt{ack: 7}), passes(segmentAt{data: "SSH-2.0-x\r\n", ack: 30}), passes(segmentAt{at: 11, data: "more", ack: 40})}},

		// The first ClientHello never reaches the server.
		{"checksum", []step{begun, dropped(segmentAt{data: good, spoil: func(p *queuetest.Packet) { p.Payload[36] ^= 1 }}), refused}},
		{"checksum, bad", []step{begun, dropped(segmentAt{data: bad, spoil: func(p *queuetest.Packet) { p.Payload[36] ^= 1 }}), letThrough}},
		{"checksum that is owed", []step{begun, dropped(segmentAt{data: bad, spoil: func(p *queuetest.Packet) { p.Payload[36] ^= 1; p.ChecksumNotReady = true }})}},
		{"no ACK", []step{begun, dropped(segmentAt{data: good, flags: queuetest.PSH}), refused}},
		{"no ACK, bad", []step{begun, dropped(segmentAt{data: bad, flags: queuetest.PSH}), letThrough}},
		{"no flag at all", []step{begun, dropped(segmentAt{data: good, flags: queuetest.ECE}), refused}},
		{"SYN and FIN", []step{dropped(segmentAt{data: good, flags: queuetest.SYN | queuetest.FIN}), begun, refused}},
		{"SYN and RST", []step{dropped(segmentAt{data: good, flags: queuetest.SYN | queuetest.RST}), begun, refused}},
		{"SYN and ACK", []step{begun, dropped(segmentAt{data: good, flags: queuetest.SYN | queuetest.ACK}), refused}},
		{"RST", []step{begun, passes(segmentAt{data: good, flags: queuetest.RST | queuetest.ACK}), refused}},
		{"urgent", []step{begun, dropped(segmentAt{data: good, flags: queuetest.ACK | queuetest.URG}), refused}},
		{"before the window", []step{begun, dropped(at(-10000, good)), refused}},
		{"over the start of the window", []step{begun, passes(at(-3, "xyz"+good)), refused}},
		{"over the start of the window, bad", []step{begun, dropped(at(-3, "xyz"+bad)), dropped(at(0, good))}},
		{"beyond the window", []step{begun, dropped(at(1<<20, good)), refused}},
		{"TCP MD5", []step{begun, dropped(segmentAt{data: good, options: append([]byte{19, 18}, make([]byte, 18)...)}), refused}},
		{"TCP-AO", []step{begun, dropped(segmentAt{data: good, options: append([]byte{1, 29, 10}, make([]byte, 9)...)}), refused}},
		{"MD5 behind other options", []step{begun, dropped(segmentAt{data: good, options: append([]byte{1, 1, 5, 2, 19, 18}, make([]byte, 18)...)}), refused}},
		{"option without a length", []step{begun, dropped(segmentAt{data: good, options: []byte{1, 1, 1, 8}}), refused}},
		{"option of length 0", []step{begun, dropped(segmentAt{data: good, options: []byte{77, 0, 0, 0}}), refused}},
		{"option of length 1", []step{begun, dropped(segmentAt{data: good, options: []byte{77, 1, 0, 0}}), refused}},
		{"option beyond the header", []step{begun, dropped(segmentAt{data: good, options: []byte{77, 40, 0, 0}}), refused}},
		{"timestamp of another length", []step{begun, dropped(segmentAt{data: good, options: []byte{8, 4, 0, 0}}), refused}},
		{"options behind the end", []step{begun, passes(segmentAt{data: good, options: []byte{0, 19, 0, 0}}), refused}},
		{"unknown option", []step{begun, passes(segmentAt{data: good, options: []byte{253, 4, 0, 0}}), refused}},
		{"old timestamp", []step{passes(segmentAt{flags: queuetest.SYN, clock: 5}), dropped(segmentAt{data: good, clock: 0xffffff00}), dropped(segmentAt{data: bad, clock: 6})}},
		{"timestamp older than that of an acknowledgement", []step{passes(segmentAt{flags: queuetest.SYN, clock: 5}), passes(segmentAt{clock: 500}),
			dropped(segmentAt{data: good, clock: 499}), dropped(segmentAt{data: bad, clock: 500})}},
		{"timestamps out of order", []step{passes(segmentAt{flags: queuetest.SYN, clock: 5}), passes(segmentAt{at: 20, data: bad[20:], clock: 9}), dropped(segmentAt{data: bad[:20], clock: 8})}},
		{"no timestamp after all", []step{passes(segmentAt{flags: queuetest.SYN, clock: 5}), refused}},
		{"few hops left", []step{begun, dropped(segmentAt{data: good, spoil: refixed(func(b []byte) { b[8] = 5 })}), refused}},
		{"few hops left in the first SYN", []step{passes(segmentAt{flags: queuetest.SYN, spoil: refixed(func(b []byte) { b[8] = 5 })}), begun,
			dropped(segmentAt{data: good, spoil: refixed(func(b []byte) { b[8] = 30 })}), refused}},
		{"header beyond the packet", []step{begun, dropped(segmentAt{data: "", spoil: func(p *queuetest.Packet) { p.Payload[32] = 15 << 4; p.ChecksumNotReady = true }}), refused}},
		{"header too short", []step{begun, dropped(segmentAt{data: good, spoil: refixed(func(b []byte) { b[32] = 4 << 4 })}), refused}},
		{"IPv4 options", []step{begun, dropped(segmentAt{data: good, spoil: func(p *queuetest.Packet) {
			p.Payload = slices.Insert(p.Payload, 20, 0x83, 3, 4, 0)
			p.Payload[0] = 0x46
			_ = checksum.Resize(p.Payload)
			mustFix(p.Payload)
		}}), refused}},
		{"fragment", []step{begun, dropped(segmentAt{data: good, spoil: func(p *queuetest.Packet) { p.Payload[6] = 0x20; _ = checksum.Fix(p.Payload) }}), refused}},
	} {
		t.Run(test.name, func(t *testing.T) { walk(t, newBlocker(t, "").client("10.0.0.1:40000"), test.steps...) })
	}
}

// TestSegmentsIPv6 checks that IPv6 works like IPv4.
func TestSegmentsIPv6(t *testing.T) {
	bad, good := helloTo(t, "bad.example"), helloTo(t, "good.example")
	const server = "[2001:db8::9]:443"
	extended := func(next byte, extension ...byte) func(b []byte) []byte {
		return func(b []byte) []byte {
			b = slices.Insert(b, 40, extension...)
			b[40], b[6], b[5] = b[6], next, b[5]+byte(len(extension))
			_ = checksum.Fix(b) // does not change a fragment
			return b
		}
	}
	for name, spoil := range map[string]func(b []byte) []byte{
		"checksum":            func(b []byte) []byte { b[57] ^= 1; return b },
		"few hops":            func(b []byte) []byte { b[7] = 5; return b },
		"destination options": extended(60, 0, 0, 1, 4, 0, 0, 0, 0),
		"hop-by-hop options":  extended(0, 0, 0, 1, 4, 0, 0, 0, 0),
		"fragment":            extended(44, 0, 0, 0, 1, 0, 0, 0, 1),
		"atomic fragment":     extended(44, 0, 0, 0, 0, 0, 0, 0, 1),
	} {
		t.Run(name, func(t *testing.T) {
			k := newBlocker(t, "").kernel
			segment := func(flags queuetest.TCPFlags, sequence uint32, data []byte) queuetest.Packet {
				return queuetest.TCP("[2001:db8::1]:40000", server, queuetest.TCPHeader{Seq: sequence, Flags: flags}, data)
			}
			k.Send(segment(queuetest.SYN, 9, nil)).WantAccepted()
			decoy := segment(queuetest.ACK, 10, good)
			decoy.Payload = spoil(decoy.Payload)
			k.Send(decoy).WantDropped()
			k.Send(segment(queuetest.ACK, 10, bad[:100])).WantAccepted()
			k.Send(segment(queuetest.ACK, 110, bad[100:])).WantDropped()
			decoy = queuetest.UDP("[2001:db8::1]:40000", server, []byte("\x40 short header"))
			k.Send(decoy).WantAccepted()
			if decoy.Payload = spoil(decoy.Payload); name != "few hops" {
				k.Send(decoy).WantDropped()
			}
		})
	}
}

// TestJumbogram sends a packet of more than 64 KiB, which the kernel will split
// into segments later.
func TestJumbogram(t *testing.T) {
	for gso, want := range map[int]queuetest.Fate{1400: queuetest.Accepted, 0: queuetest.Dropped} {
		p := queuetest.TCP("[2001:db8::1]:40000", "[2001:db8::9]:443", queuetest.TCPHeader{Flags: queuetest.ACK}, make([]byte, 3000))
		p.Payload = slices.Insert(p.Payload, 40, 6, 0, 0xc2, 4, 0, 0, byte((len(p.Payload)-32)>>8), byte(len(p.Payload)-32))
		p.Payload[4], p.Payload[5], p.Payload[6] = 0, 0, 0
		p.GSO, p.ChecksumNotReady = gso, true
		newBlocker(t, "").kernel.Send(p).Want(want)
	}
}

// TestMultipath checks that the option for Multipath TCP is removed from a SYN.
func TestMultipath(t *testing.T) {
	c := newBlocker(t, "").client("10.0.0.1:40000")
	asks := queuetest.TCPHeader{Seq: c.isn, Flags: queuetest.SYN, Options: []byte{2, 4, 5, 0xb4, 30, 4, 1, 0, 1, 1, 4, 2}}
	plain := asks
	plain.Options = []byte{2, 4, 5, 0xb4, 1, 1, 1, 1, 1, 1, 4, 2}
	c.kernel.Send(queuetest.TCP(c.source, server4, asks, nil)).WantReplaced(queuetest.TCP(c.source, server4, plain, nil))
	walk(t, c, step{segmentAt{data: string(helloTo(t, "bad.example"))}, false})
}

// TestPieces checks that the last segment of a refused ClientHello is dropped,
// whatever the order and the size of the segments.
func TestPieces(t *testing.T) {
	bad := string(helloTo(t, "bad.example"))
	bad = string(recut([]byte(bad), 200))
	for _, size := range []int{1, 2, 5, 100, 1000} {
		c := newBlocker(t, "").client("10.0.0.1:40000")
		c.send(syn).WantAccepted()
		var pieces []segmentAt
		for at := 0; at < len(bad); at += size {
			pieces = append(pieces, segmentAt{at: at, data: bad[at:min(at+size, len(bad))]})
		}
		slices.Reverse(pieces[len(pieces)/2:])
		for _, p := range pieces[1:] {
			c.send(p).WantAccepted()
		}
		c.send(pieces[0]).WantDropped()
		c.send(pieces[len(pieces)-1]).WantDropped()
	}
}

// TestSilence checks that connections are remembered even if they are silent
// for long.
func TestSilence(t *testing.T) {
	bad := string(helloTo(t, "bad.example"))
	for _, pause := range []time.Duration{2 * time.Minute, time.Hour, 100 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			p := newBlocker(t, "")
			whole, half := p.client("10.0.0.1:40000"), p.client("10.0.0.1:40001")
			walk(t, whole, step{syn, true}, step{segmentAt{data: bad}, false})
			walk(t, half, step{syn, true}, step{segmentAt{data: bad[:100]}, true})
			time.Sleep(pause)
			walk(t, whole, step{segmentAt{data: bad}, false})
			walk(t, half, step{segmentAt{at: 100, data: bad[100:]}, false})
		})
	}
}

// TestBeganBefore checks connections that began before the program. They pass
// if data arrives soon and does not begin a ClientHello with a listed name.
func TestBeganBefore(t *testing.T) {
	bad := string(helloTo(t, "bad.example"))
	synctest.Test(t, func(t *testing.T) {
		p := newBlocker(t, "")
		walk(t, p.client("10.0.0.1:40000"), step{segmentAt{}, true}, step{segmentAt{data: "anything"}, true}, step{segmentAt{at: 8, data: "more"}, true})
		walk(t, p.client("10.0.0.1:40001"), step{segmentAt{data: bad}, false})
		time.Sleep(adoption + time.Second)
		walk(t, p.client("10.0.0.1:40000"), step{segmentAt{at: 12, data: "more"}, true})
		walk(t, p.client("10.0.0.1:40002"), step{segmentAt{}, true}, step{segmentAt{data: "anything"}, false}, step{segmentAt{at: 8, data: "more"}, false}, step{segmentAt{}, true})
		p.out.Await(t, "refused  began unseen")
		walk(t, p.client("10.0.0.1:40003"), step{syn, true}, step{segmentAt{data: "anything"}, true})
	})
}
