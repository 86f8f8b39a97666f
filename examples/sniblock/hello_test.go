package main

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"net"
	"slices"
	"strings"
	"testing"
)

// clientHello returns the first record of a TLS client.
func clientHello(t testing.TB, config *tls.Config) []byte {
	t.Helper()
	client, server := net.Pipe()
	defer server.Close()
	go func() {
		_ = tls.Client(client, config).Handshake() // which the end of the pipe ends
		client.Close()
	}()
	b := make([]byte, 64<<10)
	n, err := server.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return b[:n]
}

// hello is that of a client of the server, with the protocols it offers.
func hello(t testing.TB, server string, protocols ...string) []byte {
	t.Helper()
	return clientHello(t, &tls.Config{ServerName: server, NextProtos: protocols, InsecureSkipVerify: true})
}

// record is a TLS record of the handshake.
func record(fragment []byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{22, 3, 1}, uint16(len(fragment))), fragment...)
}

// recut cuts the message of a record into several.
func recut(b []byte, size int) (records []byte) {
	for fragment := range slices.Chunk(b[5:], size) {
		records = append(records, record(fragment)...)
	}
	return records
}

// prefixed is a vector with its length before it.
func prefixed(b ...byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...)
}

// helloWith is a ClientHello with those extensions.
func helloWith(extensions ...[]byte) []byte {
	body := make([]byte, 34)
	body = append(body, 0, 0, 2, 0x13, 1, 1, 0) // no session, one cipher suite, no compression
	body = append(body, prefixed(slices.Concat(extensions...)...)...)
	return record(append([]byte{1, 0, byte(len(body) >> 8), byte(len(body))}, body...))
}

func extension(kind byte, data ...byte) []byte {
	return append([]byte{0, kind}, prefixed(data...)...)
}

func TestServerName(t *testing.T) {
	name := append([]byte{0}, prefixed([]byte("a.example")...)...)
	other := append([]byte{7}, prefixed([]byte("x")...)...)
	long := slices.Repeat([]string{strings.Repeat("p", 250)}, 50)
	for _, test := range []struct {
		name  string
		bytes []byte
		want  string
		found finding
	}{
		{"crypto/tls", hello(t, "www.example"), "www.example", named},
		{"long", hello(t, "www.example", long...), "www.example", named},
		{"TLS 1.2", clientHello(t, &tls.Config{ServerName: "old.example", MaxVersion: tls.VersionTLS12}), "old.example", named},
		{"many records", recut(hello(t, "www.example"), 7), "www.example", named},
		{"records of a byte", recut(helloWith(extension(0, prefixed(name...)...)), 1), "a.example", named},
		{"other record after the name", append(record(hello(t, "www.example")[5:400]), 23, 3, 1, 0, 1), "www.example", named},
		{"IP address", hello(t, "192.0.2.1"), "", nameless},
		{"second extension", helloWith(extension(16, 1, 2), extension(0, prefixed(name...)...)), "a.example", named},
		{"second name", helloWith(extension(0, prefixed(slices.Concat(other, name)...)...)), "a.example", named},
		{"other kind of name", helloWith(extension(0, prefixed(other...)...)), "", nameless},
		{"empty list", helloWith(extension(0, 0, 0)), "", nameless},
		{"empty extension", helloWith(extension(0)), "", nameless},
		{"name longer than its list", helloWith(extension(0, 0, 4, 0, 0, 9, 'a')), "", nameless},
		{"no extensions", helloWith(), "", nameless},
		{"nothing", nil, "", partial},
		{"a record's type", []byte{22}, "", partial},
		{"HTTP", []byte("GET / HTTP/1.1\r\n"), "", nameless},
		{"alert", []byte{21, 3, 1, 0, 2, 1, 0}, "", nameless},
		{"SSL 2", []byte{0x80, 0x2e, 1, 3, 1}, "", nameless},
		{"empty record", record(nil), "", nameless},
		{"too long a record", []byte{22, 3, 1, 0x40, 1}, "", nameless},
		{"ServerHello", record([]byte{2, 0, 0, 1, 0}), "", nameless},
		{"ClientHello too short", record([]byte{1, 0, 0, 1, 0}), "", nameless},
		{"other record within", append(record([]byte{1, 0}), 23, 3, 1, 0, 1), "", nameless},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, found := serverName(test.bytes)
			if got != test.want || found != test.found {
				t.Errorf("serverName = %q, %d, want %q, %d", got, found, test.want, test.found)
			}
			checkBeginnings(t, test.bytes)
		})
	}
}

// checkBeginnings checks that a beginning of b says what b says, or is partial.
func checkBeginnings(t *testing.T, b []byte) {
	t.Helper()
	name, found := serverName(b)
	for n := len(b); n >= 0; n-- {
		short, f := serverName(b[:n])
		if f != partial && (f != found || short != name) {
			t.Fatalf("%d of %d bytes say %q, %d, all of them %q, %d", n, len(b), short, f, name, found)
		}
	}
}

// What is found in a beginning stays, and nothing is changed or made up.
func FuzzServerName(f *testing.F) {
	f.Add(hello(f, "www.example"))
	f.Add(recut(hello(f, "www.example", "h2"), 100))
	f.Add(helloWith(extension(0, prefixed(append([]byte{0}, prefixed('a')...)...)...)))
	f.Add([]byte("GET / HTTP/1.1\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		b = b[:min(len(b), 2000)]
		before := bytes.Clone(b)
		name, found := serverName(b)
		if !bytes.Equal(b, before) {
			t.Fatal("the stream has changed")
		}
		if (found != named && name != "") || len(name) > len(b) {
			t.Fatalf("serverName = %q, %d", name, found)
		}
		checkBeginnings(t, b)
	})
}
