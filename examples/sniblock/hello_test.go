package main

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"net"
	"slices"

	"testing"
)

// clientHello returns the first record of a TLS client.
func clientHello(t testing.TB, config *tls.Config) []byte {
	t.Helper()
	client, server := net.Pipe()
	defer server.Close()
	go func() {
		_ = tls.Client(client, config).Handshake() // ends when the pipe is closed
		client.Close()
	}()
	b := make([]byte, 64<<10)
	n, err := server.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return b[:n]
}

// helloTo returns the first record of a client that connects to the server and
// offers the protocols.
func helloTo(t testing.TB, server string, protocols ...string) []byte {
	t.Helper()
	return clientHello(t, &tls.Config{ServerName: server, NextProtos: protocols, InsecureSkipVerify: true})
}

// typed returns a TLS record of the given type.
func typed(kind byte, fragment ...byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{kind, 3, 1}, uint16(len(fragment))), fragment...)
}

// record returns a TLS record of the handshake type.
func record(fragment []byte) []byte { return typed(recordHandshake, fragment...) }

// recut splits the message of a record into several records.
func recut(b []byte, size int) (records []byte) {
	for fragment := range slices.Chunk(b[5:], size) {
		records = append(records, record(fragment)...)
	}
	return records
}

// prefixed returns a vector: its length, and then its bytes.
func prefixed(b ...byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...)
}

// message returns a handshake message.
func message(kind byte, body []byte) []byte {
	return append([]byte{kind, byte(len(body) >> 16), byte(len(body) >> 8), byte(len(body))}, body...)
}

// plainHello returns a ClientHello message with the extensions.
func plainHello(extensions ...[]byte) []byte {
	body := make([]byte, 34)
	body = append(body, 0, 0, 2, 0x13, 1, 1, 0) // no session, one cipher suite, no compression
	return message(1, append(body, prefixed(slices.Concat(extensions...)...)...))
}

func extension(kind uint16, data ...byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, kind), prefixed(data...)...)
}

// serverNames returns the extension that contains the names.
func serverNames(names ...string) []byte {
	var list []byte
	for _, name := range names {
		list = append(append(list, 0), prefixed([]byte(name)...)...)
	}
	return extension(0, prefixed(list...)...)
}

// A scan contains everything that records found in a stream.
type scan struct {
	names     []string
	encrypted bool
	over      bool
	err       error
}

// scanAt passes the stream to records in pieces of the given size.
func scanAt(stream []byte, size int) (s scan) {
	var r records
	for end := 0; s.err == nil && end < len(stream); {
		end = min(end+size, len(stream))
		var hellos []hello
		hellos, s.err = r.read(stream[:end])
		for _, h := range hellos {
			s.names = append(s.names, h.names...)
			s.encrypted = s.encrypted || h.encrypted
		}
	}
	s.over = r.handshake.over
	return s
}

func (s scan) equal(other scan) bool {
	return slices.Equal(s.names, other.names) && s.encrypted == other.encrypted && s.over == other.over && errors.Is(s.err, other.err)
}

func TestRecords(t *testing.T) {
	good := helloTo(t, "good.example")
	alert, changeCipher, data := typed(21, 1, 0), typed(20, 1), typed(23, 0)
	www := []string{"www.example"}
	for _, test := range []struct {
		name   string
		stream []byte
		want   scan
	}{
		{"crypto/tls", helloTo(t, "www.example"), scan{names: www}},
		{"long", recut(helloTo(t, "www.example"), 3), scan{names: www}},
		{"longer than 48 KiB", recut(append(make([]byte, 5), plainHello(extension(16, make([]byte, 50000)...), serverNames("www.example"))...), 16384), scan{names: www}},
		{"TLS 1.2", clientHello(t, &tls.Config{ServerName: "www.example", MaxVersion: tls.VersionTLS12}), scan{names: www}},
		{"records of a byte", recut(helloTo(t, "www.example"), 1), scan{names: www}},
		{"empty records first", slices.Concat(record(nil), record(nil), helloTo(t, "www.example")), scan{names: www}},
		{"empty records within", slices.Concat(good[:3], []byte{0, 1}, good[5:6], record(nil), record(good[6:])), scan{names: []string{"good.example"}}},
		{"alert first", slices.Concat(alert, helloTo(t, "www.example")), scan{names: www}},
		{"change_cipher_spec first", slices.Concat(changeCipher, helloTo(t, "www.example")), scan{names: www}},
		{"application data first", slices.Concat(data, helloTo(t, "www.example")), scan{names: www}},
		{"record of an unknown type first", slices.Concat(typed(99, 1, 2, 3), helloTo(t, "www.example")), scan{names: www}},
		{"alert within", slices.Concat(record(good[5:9]), alert, record(good[9:])), scan{names: []string{"good.example"}}},
		{"other message first", slices.Concat(record(message(0, nil)), helloTo(t, "www.example")), scan{names: www}},
		{"other message first in the record", record(slices.Concat(message(0, nil), helloTo(t, "www.example")[5:])), scan{names: www}},
		{"old version of the record", slices.Concat([]byte{22, 0, 0}, helloTo(t, "www.example")[3:]), scan{names: www}},
		{"record longer than allowed", record(plainHello(extension(16, make([]byte, 30000)...), serverNames("www.example"))), scan{names: www}},
		{"two names", record(plainHello(serverNames("good.example", "www.example"))), scan{names: []string{"good.example", "www.example"}}},
		{"two extensions", record(plainHello(serverNames("good.example"), serverNames("www.example"))), scan{names: []string{"good.example", "www.example"}}},
		{"other kind of name", record(plainHello(extension(0, prefixed(7, 0, 1, 'x')...))), scan{}},
		{"encrypted", record(plainHello(serverNames("www.example"), extension(0xfe0d, 0))), scan{names: www, encrypted: true}},
		{"encrypted, by a draft", record(plainHello(extension(0xffce, 0))), scan{encrypted: true}},
		{"IP address", helloTo(t, "192.0.2.1"), scan{}},
		{"no extensions", record(message(1, append(make([]byte, 34), 0, 0, 2, 0x13, 1, 1, 0))), scan{}},

		{"TLS 1.2 goes on", slices.Concat(good, record(message(16, make([]byte, 33))), helloTo(t, "www.example")), scan{names: []string{"good.example"}, over: true}},
		{"TLS 1.2 is resumed", slices.Concat(good, changeCipher, record([]byte("\xf2\x11\x22\x33\x44"))), scan{names: []string{"good.example"}, over: true}},
		{"what is encrypted begins like a hello", slices.Concat(good, changeCipher, record([]byte("\x01\xff\x22\x33\x44"))), scan{names: []string{"good.example"}, over: true}},
		{"TLS 1.3 goes on", slices.Concat(good, changeCipher, data), scan{names: []string{"good.example"}, over: true}},
		{"second hello", slices.Concat(good, changeCipher, helloTo(t, "www.example")), scan{names: []string{"good.example", "www.example"}}},
		{"second hello after early data", slices.Concat(record(plainHello(extension(42))), changeCipher, data, data, helloTo(t, "www.example")), scan{names: www}},

		{"nothing", nil, scan{}},
		{"a record's type", []byte{22}, scan{}},
		{"half a hello", good[:50], scan{}},
		{"HTTP", []byte("GET / HTTP/1.1\r\n"), scan{}},
		{"long HTTP", bytes.Repeat([]byte("GET / HTTP/1.1\r\n"), 300), scan{over: true}},
		{"SSL 2", []byte{0x80, 0x2e, 1, 3, 1}, scan{}},
		{"behind a request to a proxy", slices.Concat([]byte("CONNECT www.example:443 HTTP/1.1\r\n\r\n"), helloTo(t, "www.example")), scan{names: www}},
		{"behind STARTTLS", slices.Concat([]byte("EHLO x\r\nSTARTTLS\r\n"), recut(helloTo(t, "www.example"), 9)), scan{names: www}},
		{"behind a SOCKS greeting", slices.Concat([]byte("\x05\x01\x00\x05\x01\x00\x03\x0bwww.example\x01\xbb"), helloTo(t, "www.example")), scan{names: www}},
		{"behind a single byte", slices.Concat([]byte("\n"), helloTo(t, "www.example")), scan{names: www}},
		{"behind bytes like a record", slices.Concat([]byte("\n\x16\x03\x01\x00"), helloTo(t, "www.example")), scan{names: www}},
		{"behind an alert and something else", slices.Concat(alert, []byte("GET "), helloTo(t, "www.example")), scan{names: www}},
		{"far behind something else", slices.Concat(bytes.Repeat([]byte("GET "), 1024), helloTo(t, "www.example")), scan{over: true}},
		{"malformed behind something else", slices.Concat([]byte("\n"), record(message(1, []byte{3}))), scan{over: true}},
		{"name longer than its list", record(plainHello(extension(0, 0, 4, 0, 0, 9, 'a'))), scan{err: errMalformed}},
		{"empty server_name", record(plainHello(extension(0))), scan{err: errMalformed}},
		{"extensions longer than the hello", record(message(1, append(make([]byte, 34), 0, 0, 2, 0x13, 1, 1, 0, 0, 9))), scan{err: errMalformed}},
		{"bytes behind the extensions", record(message(1, append(make([]byte, 34), 0, 0, 2, 0x13, 1, 1, 0, 0, 0, 9))), scan{err: errMalformed}},
		{"short hello", record(message(1, []byte{3})), scan{err: errMalformed}},
		{"hello of 16 MiB", record([]byte{1, 0xff, 0xff, 0xff}), scan{err: errTooLong}},
		{"other message of 16 MiB", record([]byte{0, 0xff, 0xff, 0xff}), scan{err: errTooLong}},
		{"hello that ends in something else", slices.Concat(good[:3], []byte{0, 40}, good[5:45], []byte("GET / HTTP/1.1")), scan{err: errCut, over: true}},
	} {
		for _, size := range []int{1 << 20, 1, 7, 1000} {
			if got := scanAt(test.stream, size); !got.equal(test.want) {
				t.Errorf("%s, %d bytes at a time: %+v, want %+v", test.name, size, got, test.want)
			}
		}
	}
}

func TestHelloString(t *testing.T) {
	for _, test := range []struct {
		hello hello
		want  string
	}{
		{hello{names: []string{"a.example"}}, `"a.example"`},
		{hello{names: []string{"a.example", "b\n"}}, `"a.example" "b\n"`},
		{hello{names: []string{"a.example"}, encrypted: true}, `"a.example", encrypted name`},
		{hello{encrypted: true}, "encrypted name"},
		{hello{}, "no name"},
	} {
		if got := test.hello.String(); got != test.want {
			t.Errorf("String = %s, want %s", got, test.want)
		}
	}
}

// FuzzRecords checks that the result does not depend on how a stream is cut
// into pieces, that records passes on exactly the bytes of the stream, and that
// its memory is bounded.
func FuzzRecords(f *testing.F) {
	named := record(plainHello(extension(16, 1, 2, 3), serverNames("www.example")))
	f.Add(named, 5)
	f.Add(recut(named, 10), 1)
	f.Add(slices.Concat(record(nil), typed(21, 1, 0), named, typed(20, 1), named), 2)
	f.Add(slices.Concat([]byte("GET / HTTP/1.1\r\n"), named), 3)
	f.Fuzz(func(t *testing.T, stream []byte, size int) {
		stream = stream[:min(len(stream), 5000)]
		before := bytes.Clone(stream)
		whole, cut := scanAt(stream, 1<<20), scanAt(stream, max(size%10000, 1))
		if !whole.equal(cut) {
			t.Fatalf("at once %+v, in pieces of %d %+v", whole, size, cut)
		}
		if !bytes.Equal(stream, before) {
			t.Fatal("the stream has changed")
		}
		for _, name := range whole.names {
			if len(name) > len(stream) {
				t.Fatalf("a name of %d bytes in a stream of %d", len(name), len(stream))
			}
		}
		var r records
		_, _ = r.read(stream)
		if n := cap(r.handshake.message); n > 2*len(stream)+64 {
			t.Fatalf("%d bytes kept of a stream of %d", n, len(stream))
		}
	})
}
