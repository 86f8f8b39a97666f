package main

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ipqueue/ipqueue/examples/dnssink/names"
	"github.com/ipqueue/ipqueue/examples/sniblock/internal/quic"
	"github.com/ipqueue/ipqueue/queue/queuetest"
)

// quicHello returns the ClientHello of a QUIC client that connects to the
// server.
func quicHello(t testing.TB, server string) string {
	t.Helper()
	config := &tls.Config{ServerName: server, InsecureSkipVerify: true, MinVersion: tls.VersionTLS13, NextProtos: []string{"h3"}}
	conn := tls.QUICClient(&tls.QUICConfig{TLSConfig: config})
	defer conn.Close()
	conn.SetTransportParameters([]byte{1, 2, 0x40, 0x64})
	if err := conn.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	for {
		switch e := conn.NextEvent(); e.Kind {
		case tls.QUICWriteData:
			return string(e.Data)
		case tls.QUICNoEvent:
			t.Fatal("no ClientHello")
		}
	}
}

// An initialPacket is the content of an Initial packet before protection.
type initialPacket struct {
	version quic.Version // 0 means version 1
	dcid    string       // "" means "original"
	keys    string       // the connection ID for its keys; "" means dcid
	token   string
	number  byte
	frames  string
}

// crypto returns a CRYPTO frame.
func crypto(at int, data string) string {
	b := append([]byte{6}, varint(at)...)
	return string(append(b, varint(len(data))...)) + data
}

func varint(n int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)|2<<30) }

// seal returns the protected packet (RFC 9001, section 5).
func (p initialPacket) seal() string {
	salt, prefix, first := "\x38\x76\x2c\xf7\xf5\x59\x34\xb3\x4d\x17\x9a\xe6\xa4\xc8\x0c\xad\xcc\xbb\x7f\x0a", "quic ", byte(0xc0)
	if p.version == 0 {
		p.version = quic.V1
	}
	if p.version == quic.V2 {
		salt, prefix, first = "\x0d\xed\xe3\xde\xf7\x00\xa6\xdb\x81\x93\x81\xbe\x6e\x26\x9d\xcb\xf9\xbd\x2e\xd9", "quicv2 ", 0xd0
	}
	if p.dcid == "" {
		p.dcid = "original"
	}
	if p.keys == "" {
		p.keys = p.dcid
	}
	p.frames += strings.Repeat("\x00", max(0, 4-len(p.frames))) // long enough for the sample of header protection
	initial := must(hkdf.Extract(sha256.New, []byte(p.keys), []byte(salt)))
	secret := expandLabel(initial, "client in", 32)
	body := must(cipher.NewGCM(must(aes.NewCipher(expandLabel(secret, prefix+"key", 16)))))
	header := []byte{first}
	header = binary.BigEndian.AppendUint32(header, uint32(p.version))
	header = append(append(header, byte(len(p.dcid))), p.dcid...)
	header = append(header, 2, 'm', 'e')
	header = append(append(header, varint(len(p.token))...), p.token...)
	header = append(header, varint(1+len(p.frames)+body.Overhead())...)
	at := len(header)
	header = append(header, p.number)
	nonce := expandLabel(secret, prefix+"iv", 12)
	nonce[11] ^= p.number
	packet := body.Seal(bytes.Clone(header), nonce, []byte(p.frames), header)
	var mask [16]byte
	must(aes.NewCipher(expandLabel(secret, prefix+"hp", 16))).Encrypt(mask[:], packet[at+4:at+20])
	packet[0] ^= mask[0] & 0xf
	packet[at] ^= mask[1]
	return string(packet)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func expandLabel(secret []byte, label string, n int) []byte {
	label = "tls13 " + label
	return must(hkdf.Expand(sha256.New, secret, fmt.Sprintf("\x00%c%c%s\x00", n, len(label), label), n))
}

// sendDatagram sends QUIC packets in one datagram.
func (c client) sendDatagram(datagrams ...string) *queuetest.Sent {
	return c.kernel.Send(queuetest.UDP(c.source, server4, []byte(strings.Join(datagrams, ""))))
}

// pad appends PADDING frames up to the size that servers require of an Initial
// packet.
func pad(frames string) string { return frames + strings.Repeat("\x00", max(0, 1150-len(frames))) }

func TestQUIC(t *testing.T) {
	bad, good := quicHello(t, "bad.example"), quicHello(t, "good.example")
	first := func(frames ...string) string { return initialPacket{frames: pad(strings.Join(frames, ""))}.seal() }
	of := func(p initialPacket, frames ...string) string {
		p.frames = pad(strings.Join(frames, ""))
		return p.seal()
	}
	later := initialPacket{dcid: "server's", keys: "original"}
	v2 := initialPacket{version: quic.V2}
	other := initialPacket{dcid: "another one"}
	handshake := "\xe0\x00\x00\x00\x01\x02ab\x02me\x40\x05abcde"
	forged := []byte(first(crypto(0, bad)))
	forged[len(forged)-1] ^= 1
	type datagram struct {
		data   string
		passes bool
	}
	passes := func(data ...string) datagram { return datagram{strings.Join(data, ""), true} }
	dropped := func(data ...string) datagram { return datagram{strings.Join(data, ""), false} }
	refused, letThrough := dropped(first(crypto(0, bad))), passes(first(crypto(0, good)))
	for _, test := range []struct {
		name      string
		datagrams []datagram
	}{
		{"refused, and again", []datagram{refused, refused, dropped(first(crypto(5, "x")))}},
		{"good, and again", []datagram{letThrough, letThrough, passes(handshake), passes("\x40short header")}},
		{"version 2", []datagram{passes(of(v2, crypto(0, good))), dropped(of(initialPacket{version: quic.V2, dcid: "two"}, crypto(0, bad)))}},
		{"other versions", []datagram{dropped("\xc0\x00\x00\x00\x02\x00\x00rest"), dropped("\xff\xff\x00\x00\x1d\x00\x00rest"), dropped("\xda\x1a\x2a\x3a\x4a\x00\x00rest"), dropped("\xc0\x00\x00\x00\x00\x00\x00rest")}},
		{"pieces in order", []datagram{passes(first(crypto(0, bad[:100]))), dropped(first(crypto(100, bad[100:])))}},
		{"pieces in any order with overlaps", []datagram{passes(first(crypto(150, bad[150:]), crypto(10, bad[10:50]))), passes(first("\x01", crypto(40, bad[40:100]))), passes(first(crypto(0, bad[:12]))), dropped(first(crypto(99, bad[99:151])))}},
		{"pieces of a byte", []datagram{dropped(first(func() (frames []string) {
			for i := range len(bad) {
				frames = append(frames, crypto(len(bad)-1-i, bad[len(bad)-1-i:len(bad)-i]))
			}
			return frames
		}()...))}},
		{"among other frames", []datagram{dropped(first("\x00\x01\x02\x01\x00\x00\x00", crypto(0, bad), "\x1c\x00\x00\x00"))}},
		{"before a fault", []datagram{dropped(first(crypto(0, bad), "\x08"))}},
		{"several packets in a datagram", []datagram{dropped(of(initialPacket{frames: crypto(0, bad[:99])}, crypto(0, bad[:99])), of(initialPacket{number: 1}, crypto(99, bad[99:])))}},
		{"behind a packet of another kind", []datagram{dropped(handshake, first(crypto(0, bad)))}},
		{"before a packet of another kind", []datagram{dropped(first(crypto(0, bad)), handshake, "\x40short header")}},
		{"behind a good one", []datagram{dropped(first(crypto(0, good)), of(other, crypto(0, bad)))}},
		{"padding outside", []datagram{passes(first(crypto(0, good)), "\x00\x00\x00\x00"), dropped(of(other, crypto(0, bad)), "\x00\x00\x00\x00")}},
		{"connection ID of the server", []datagram{passes(first(crypto(0, bad[:99]))), dropped(of(later, crypto(99, bad[99:])))}},
		{"after Retry", []datagram{passes(first(crypto(0, bad[:99]))), dropped(of(initialPacket{dcid: "retried!", token: "token"}, crypto(0, bad)))}},
		{"after Retry with a short ID", []datagram{passes(first(crypto(0, bad[:99]))), passes(of(initialPacket{dcid: "id", token: "token"}, crypto(0, bad[:99]))), dropped(of(initialPacket{dcid: "id", token: "token"}, crypto(99, bad[99:])))}},
		{"after Retry, good", []datagram{letThrough, passes(of(initialPacket{dcid: "retried!", token: "token"}, crypto(0, good)))}},
		{"compatible version", []datagram{passes(first(crypto(0, bad[:99]))), dropped(of(initialPacket{version: quic.V2, dcid: "server's", keys: "original"}, crypto(99, bad[99:])))}},
		{"another connection between the ports", []datagram{letThrough, dropped(of(other, crypto(0, bad))), letThrough, dropped(of(other, crypto(0, bad)))}},
		{"contradiction", []datagram{passes(first(crypto(0, good[:99]))), dropped(first(crypto(0, bad[:99]))), dropped(first(crypto(99, good[99:])))}},
		{"contradiction after a good one", []datagram{letThrough, refused}},
		{"second hello", []datagram{letThrough, dropped(first(crypto(len(good), bad)))}},
		{"hello of 16 MiB", []datagram{dropped(first(crypto(0, "\x01\xff\xff\xff")))}},
		{"far offset", []datagram{dropped(first(crypto(1<<29, "a")))}},
		{"malformed hello", []datagram{dropped(first(crypto(0, "\x01\x00\x00\x02ab")))}},
		{"forged", []datagram{dropped(string(forged)), letThrough}},
		{"short connection ID", []datagram{dropped(of(initialPacket{dcid: "7 bytes"}, crypto(0, good)))}},
		{"keys of another", []datagram{dropped(of(later, crypto(0, good)))}},
		{"Retry of a client", []datagram{dropped("\xf0\x00\x00\x00\x01\x02ab\x02mexxxxxxxxxxxxxxxxxxxx")}},
		{"cut off", []datagram{dropped(first(crypto(0, bad))[:300]), dropped("\xc0"), dropped("\xc0\x00\x00\x00\x01")}},
		{"no QUIC", []datagram{passes(""), passes("x"), passes("\x16\xfe\xfd DTLS"), passes("\x80\x00\x12\x34 RTP and so on"), passes("\x01\x00\x00\x00 WireGuard")}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newBlocker(t, "").client("10.0.0.1:40000")
			for i, d := range test.datagrams {
				if got := c.sendDatagram(d.data).Wait().Fate; got.Passes() != d.passes {
					t.Errorf("datagram %d was %v, want %t", i, got, d.passes)
				}
			}
		})
	}
}

// TestQUICMovesPort sends the two halves of a ClientHello from two ports.
func TestQUICMovesPort(t *testing.T) {
	bad := quicHello(t, "bad.example")
	p := newBlocker(t, "")
	one, two := initialPacket{frames: pad(crypto(0, bad[:99]))}, initialPacket{frames: pad(crypto(99, bad[99:]))}
	p.client("10.0.0.1:40000").sendDatagram(one.seal()).WantAccepted()
	p.client("10.0.0.1:40001").sendDatagram(two.seal()).WantDropped()
	two.dcid, two.keys = "server's", "original"
	p.client("10.0.0.1:40002").sendDatagram(two.seal()).WantDropped()
}

// TestDatagrams checks datagrams with wrong checksums and lengths, with IP
// options, in fragments, and with bytes after their end.
func TestDatagrams(t *testing.T) {
	bad := initialPacket{frames: pad(crypto(0, quicHello(t, "bad.example")))}.seal()
	for _, test := range []struct {
		name  string
		spoil func(p *queuetest.Packet)
	}{
		{"checksum", func(p *queuetest.Packet) { p.Payload[26] ^= 1 }},
		{"short length", refixedLength(7)},
		{"long length", refixedLength(0xffff)},
		{"IPv4 options", func(p *queuetest.Packet) {
			p.Payload = slices.Insert(p.Payload, 20, 1, 1, 1, 1)
			p.Payload[0], p.Payload[3] = 0x46, p.Payload[3]+4
			mustFix(p.Payload)
		}},
		{"fragment", func(p *queuetest.Packet) { p.Payload[6] = 0x20 }},
	} {
		p := queuetest.UDP("10.0.0.1:40000", server4, []byte("\x40"+bad))
		test.spoil(&p)
		newBlocker(t, "").kernel.Send(p).WantDropped()
	}
	// Bytes after the datagram are not part of it.
	p := queuetest.UDP("10.0.0.1:40000", server4, []byte(bad+"surplus"))
	p.Payload[24], p.Payload[25] = byte((8+len(bad))>>8), byte(8+len(bad))
	mustFix(p.Payload)
	newBlocker(t, "").kernel.Send(p).WantDropped()
	// A checksum of 0 means none, on IPv4.
	p = queuetest.UDP("10.0.0.1:40000", server4, []byte("\x40 short header"))
	p.Payload[26], p.Payload[27] = 0, 0
	newBlocker(t, "").kernel.Send(p).WantAccepted()
}

// TestMergedDatagrams checks that the filter examines each datagram of a packet
// that the kernel will split later.
func TestMergedDatagrams(t *testing.T) {
	datagram := func(server string) string {
		return initialPacket{dcid: "to " + server, frames: pad(crypto(0, quicHello(t, server)))}.seal()
	}
	bad, good := datagram("bad.example"), datagram("good.example")
	short := "\x40" + strings.Repeat("\xc3\x00\x00\x00", len(bad))[:len(bad)-1]
	flood := strings.Repeat("\xc0\x00\x00\x00\x01\x08longlong\x00\x00\x00", 100)
	for _, test := range []struct {
		args, data string
		passes     bool
	}{
		{"", short + short + bad, false},
		{"", short + good[:len(good)-1] + bad, false},
		{"", good + bad, false},
		{"", bad + good, false},
		{"", short + short + good, true},
		{"", good + short, true},
		{"", short + short, true},
		{"", short + flood, false},
		{"-quic drop", short + good, false},
		{"-quic drop", short + short, true},
		{"-quic pass", short + bad, true},
	} {
		p := queuetest.UDP("10.0.0.1:40000", server4, []byte(test.data))
		p.GSO, p.ChecksumNotReady = len(bad), true
		if got := newBlocker(t, test.args).kernel.Send(p).Wait().Fate; got.Passes() != test.passes {
			t.Errorf("%q, %d bytes that begin with %x: %v, want %t", test.args, len(test.data), test.data[:5], got, test.passes)
		}
	}
}

func refixedLength(n uint16) func(p *queuetest.Packet) {
	return func(p *queuetest.Packet) {
		binary.BigEndian.PutUint16(p.Payload[24:], n)
		p.ChecksumNotReady = true
	}
}

func TestQUICPolicies(t *testing.T) {
	bad, good := initialPacket{frames: pad(crypto(0, quicHello(t, "bad.example")))}.seal(), initialPacket{frames: pad(crypto(0, quicHello(t, "good.example")))}.seal()
	c := newBlocker(t, "-quic drop").client("10.0.0.1:40000")
	c.sendDatagram(good).WantDropped()
	c.sendDatagram("\x40 short header").WantAccepted()
	c.sendDatagram("\x01 something else").WantAccepted()
	c = newBlocker(t, "-quic pass").client("10.0.0.1:40000")
	c.sendDatagram(bad).WantAccepted()
}

// newQUICFilter returns a filter with little memory.
func newQUICFilter(t *testing.T, memory int) *filter {
	o := optionsOf(t, "bad.example")
	f := newFilter(o, o.lists.Load().Set, &report{}, time.Unix(1000, 0))
	f.initials.memory = memory
	return f
}

// TestQUICMemory checks that, while the memory is full, the filter keeps known
// connections and refuses new ones, until the known ones have been silent for
// long.
func TestQUICMemory(t *testing.T) {
	f, now := newQUICFilter(t, 20000), time.Unix(1000, 0)
	bad := quicHello(t, "bad.example")
	send := func(flow uint16, p initialPacket) decision {
		b := make([]byte, 8)
		p.dcid = fmt.Sprint("original", flow)
		b = append(b, p.seal()...)
		binary.BigEndian.PutUint16(b[4:], uint16(len(b)))
		return f.judgeDatagram(packet{flow: flowOf(flow), transport: b}, now).decision
	}
	half, rest := initialPacket{frames: crypto(0, bad[:100])}, initialPacket{frames: pad(crypto(100, bad[100:]))}
	first := 0
	for send(uint16(first), half) == pass {
		if first++; first > 1000 {
			t.Fatal("there are always new connections")
		}
	}
	if first < 10 {
		t.Fatalf("there is room for %d connections", first)
	}
	if got := send(9999, initialPacket{frames: crypto(0, bad[:50])}); got != discard {
		t.Errorf("a new connection: decision %d, want discard", got)
	}
	now = now.Add(quicSilence - time.Second)
	for flow := range first {
		if got := send(uint16(flow), rest); got != refuse && got != discard {
			t.Errorf("connection %d: decision %d, want refuse or discard", flow, got)
		}
	}
	now = now.Add(quicSilence)
	if got := send(9999, half); got != pass {
		t.Errorf("a new connection after the silence: decision %d, want pass", got)
	}
	used := 0
	for e := f.initials.known.order.Front(); e != nil; e = e.Next() {
		used += e.Value.(*entry[quicID, *quicConnection]).value.size()
	}
	if used != f.initials.used {
		t.Errorf("the table says it uses %d bytes and uses %d", f.initials.used, used)
	}
}

// TestQUICPerFlow checks a flow with many connections. After the server has
// chosen another ID, the filter tries the keys of the latest connections.
func TestQUICPerFlow(t *testing.T) {
	bad := quicHello(t, "bad.example")
	c := newBlocker(t, "").client("10.0.0.1:40000")
	of := func(i int) string { return fmt.Sprint("connection", i) }
	const most = 100
	for i := range most {
		c.sendDatagram(initialPacket{dcid: of(i), frames: pad(crypto(0, bad[:100]))}.seal()).WantAccepted()
	}
	piece := pad(crypto(100, bad[100:200]))
	c.sendDatagram(initialPacket{dcid: of(50), frames: piece}.seal()).WantAccepted() // now the latest
	for i := range most {
		latest := i == 50 || i > most-quicPerFlow
		sent := c.sendDatagram(initialPacket{dcid: "server's", keys: of(i), frames: "\x01"}.seal())
		if got := sent.Wait().Fate; got.Passes() && !latest {
			t.Errorf("connection %d: %v", i, got)
		}
	}
	c.sendDatagram(initialPacket{dcid: "server's", keys: of(50), frames: piece}.seal()).WantAccepted()
	for i := range most {
		c.sendDatagram(initialPacket{dcid: of(i), frames: pad(crypto(100, bad[100:]))}.seal()).WantDropped()
	}
}

// FuzzDatagram checks that no datagram makes the filter panic or exceed its
// memory.
func FuzzDatagram(f *testing.F) {
	f.Add([]byte(initialPacket{frames: crypto(0, "\x01\x00\x00\x02ab")}.seal()), []byte("\xe0\x00\x00\x00\x01\x02ab\x02me\x40\x05abcde"))
	f.Add([]byte("\x06\x00\x03\x01\x00\x00"), []byte("\x06\x03\x02\x00a"))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		o := options{lists: names.Lists{Names: []string{"bad.example"}}}
		fl := newFilter(o, o.lists.Load().Set, &report{}, time.Unix(1000, 0))
		fl.initials.memory = 1000
		for _, b := range [][]byte{first, second, []byte(initialPacket{frames: string(first)}.seal()), []byte(initialPacket{frames: string(second)}.seal())} {
			if len(b) > 1400 {
				return
			}
			datagram := append(make([]byte, 8), b...)
			binary.BigEndian.PutUint16(datagram[4:], uint16(len(datagram)))
			o := fl.judgeDatagram(packet{flow: flowOf(1), transport: datagram}, time.Unix(1000, 0))
			if o.reason != "" && o.decision != refuse {
				t.Fatalf("outcome %+v", o)
			}
		}
		if n := fl.initials.used; n > 1000+4*longestHello {
			t.Fatalf("%d bytes used", n)
		}
	})
}
