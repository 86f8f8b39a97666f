package quic

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// sample returns the bytes of a file in testdata, where # begins a comment.
func sample(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var digits strings.Builder
	for line := range strings.Lines(string(text)) {
		digits.WriteString(strings.TrimSpace(strings.SplitN(line, "#", 2)[0]))
	}
	b, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// open returns the frames of the datagram's first packet.
func open(t testing.TB, datagram []byte) ([]byte, bool) {
	t.Helper()
	p, _, ok, err := Next(datagram)
	if err != nil || !ok {
		t.Fatalf("Next = %v, %t", err, ok)
	}
	keys, err := ClientKeys(p.Version, p.Destination)
	if err != nil {
		t.Fatal(err)
	}
	return keys.Open(p)
}

func TestSamplePackets(t *testing.T) {
	crypto := sample(t, "client_frames.hex")
	for _, test := range []struct {
		file    string
		version Version
	}{
		{"client_v1.hex", V1},
		{"client_v2.hex", V2},
	} {
		datagram := sample(t, test.file)
		before := bytes.Clone(datagram)
		p, rest, ok, err := Next(datagram)
		if err != nil || !ok || len(rest) != 0 {
			t.Fatalf("%s: Next = %d bytes left, %t, %v", test.file, len(rest), ok, err)
		}
		if p.Version != test.version || p.Kind != Initial || hex.EncodeToString(p.Destination) != "8394c8f03e515708" || len(p.Source) != 0 {
			t.Errorf("%s: packet is %+v", test.file, p)
		}
		frames, ok := open(t, datagram)
		if want := append(bytes.Clone(crypto), make([]byte, 1162-len(crypto))...); !ok || !bytes.Equal(frames, want) {
			t.Errorf("%s: frames are %x, %t, want %x", test.file, frames, ok, want)
		}
		if !bytes.Equal(datagram, before) {
			t.Errorf("%s: the datagram has changed", test.file)
		}
	}
}

func TestForgedPackets(t *testing.T) {
	for at := range sample(t, "client_v1.hex")[:100] {
		datagram := sample(t, "client_v1.hex")
		datagram[at] ^= 0x04
		p, _, ok, err := Next(datagram)
		if !ok || err != nil {
			continue
		}
		keys, err := ClientKeys(p.Version, p.Destination)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := keys.Open(p); ok {
			t.Errorf("the packet opens with byte %d changed", at)
		}
	}
}

func TestNext(t *testing.T) {
	long := func(parts ...string) []byte { return []byte(strings.Join(parts, "")) }
	const v1, v2, ids = "\x00\x00\x00\x01", "\x6b\x33\x43\xcf", "\x02ab\x01c"
	for _, test := range []struct {
		name     string
		datagram []byte
		kind     Kind
		rest     string
		ok       bool
		err      error
	}{
		{"nothing", nil, 0, "", false, nil},
		{"short header", []byte("\x40abc"), 0, "", false, nil},
		{"Initial with a token", long("\xc0", v1, ids, "\x03tok", "\x05", "12345", "rest"), Initial, "rest", true, nil},
		{"Initial, version 2", long("\xd0", v2, ids, "\x00", "\x40\x05", "12345"), Initial, "", true, nil},
		{"0-RTT", long("\xd0", v1, ids, "\x05", "12345", "rest"), ZeroRTT, "rest", true, nil},
		{"0-RTT, version 2", long("\xe0", v2, ids, "\x05", "12345", "rest"), ZeroRTT, "rest", true, nil},
		{"Handshake", long("\xe0", v1, ids, "\x00", "rest"), Handshake, "rest", true, nil},
		{"Handshake, version 2", long("\xf0", v2, ids, "\x00", "rest"), Handshake, "rest", true, nil},
		{"Retry", long("\xf0", v1, ids, "all of it"), Retry, "", true, nil},
		{"Retry, version 2", long("\xc0", v2, ids, "all of it"), Retry, "", true, nil},
		{"Version Negotiation", long("\xc0", "\x00\x00\x00\x00", ids, v1), 0, "", false, ErrVersion},
		{"version 3", long("\xc0", "\x00\x00\x00\x03", ids), 0, "", false, ErrVersion},
		{"no version", []byte("\xc0\x00\x00"), 0, "", false, ErrMalformed},
		{"long connection ID", long("\xc0", v1, "\x15", strings.Repeat("i", 21), "\x00", "\x00", "\x00"), 0, "", false, ErrMalformed},
		{"connection ID beyond the end", long("\xc0", v1, "\x08abc"), 0, "", false, ErrMalformed},
		{"token beyond the end", long("\xc0", v1, ids, "\x09tok"), 0, "", false, ErrMalformed},
		{"token of 2^62 bytes", long("\xc0", v1, ids, "\xff\xff\xff\xff\xff\xff\xff\xff"), 0, "", false, ErrMalformed},
		{"packet beyond the end", long("\xc0", v1, ids, "\x00", "\x09", "1234"), 0, "", false, ErrMalformed},
		{"half a length", long("\xe0", v1, ids, "\x80"), 0, "", false, ErrMalformed},
	} {
		p, rest, ok, err := Next(test.datagram)
		if p.Kind != test.kind && ok || string(rest) != test.rest || ok != test.ok || !errors.Is(err, test.err) {
			t.Errorf("%s: Next = kind %d, rest %q, %t, %v, want kind %d, rest %q, %t, %v", test.name, p.Kind, rest, ok, err, test.kind, test.rest, test.ok, test.err)
		}
		if test.ok && (string(p.Destination) != "ab" || string(p.Source) != "c") {
			t.Errorf("%s: connection IDs are %q and %q", test.name, p.Destination, p.Source)
		}
		if want := test.name == "Initial with a token"; (string(p.Token) == "tok") != want {
			t.Errorf("%s: token is %q", test.name, p.Token)
		}
	}
}

func TestCryptos(t *testing.T) {
	const piece = "\x06\x05\x03abc"
	for _, test := range []struct {
		name   string
		frames string
		want   int // pieces
		err    error
	}{
		{"nothing", "", 0, nil},
		{"padding and pings", "\x00\x00\x01\x00\x01", 0, nil},
		{"a piece among others", "\x01" + piece + "\x00\x00" + piece, 2, nil},
		{"behind an ACK", "\x02\x40\x40\x00\x01\x00\x02\x03" + piece, 1, nil},
		{"behind an ACK with ECN", "\x03\x01\x00\x00\x00\x01\x02\x03" + piece, 1, nil},
		{"behind a CONNECTION_CLOSE", "\x1c\x0a\x06\x02no" + piece, 1, nil},
		{"type in two bytes", "\x40\x06\x05\x03abc", 1, nil},
		{"before a STREAM frame", piece + "\x08\x00a", 1, ErrMalformed},
		{"data beyond the end", "\x06\x00\x04abc", 0, ErrMalformed},
		{"offset beyond the end", "\x06\x80", 0, ErrMalformed},
		{"endless ACK", "\x02\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\x00", 0, ErrMalformed},
	} {
		cryptos, err := Cryptos([]byte(test.frames))
		if len(cryptos) != test.want || !errors.Is(err, test.err) {
			t.Errorf("%s: Cryptos = %v, %v, want %d and %v", test.name, cryptos, err, test.want, test.err)
		}
		for _, c := range cryptos {
			if c.Offset != 5 || string(c.Data) != "abc" {
				t.Errorf("%s: piece is %+v", test.name, c)
			}
		}
	}
}

// Packets lie within the datagram, one behind the other.
func FuzzNext(f *testing.F) {
	f.Add(sample(f, "client_v1.hex"))
	f.Add(sample(f, "client_v2.hex"))
	f.Add([]byte("\xe0\x00\x00\x00\x01\x02ab\x01c\x00rest"))
	f.Fuzz(func(t *testing.T, datagram []byte) {
		before := bytes.Clone(datagram)
		for b := datagram; ; {
			p, rest, ok, err := Next(b)
			if !ok || err != nil {
				break
			}
			if len(rest) >= len(b) || !bytes.HasSuffix(b, rest) {
				t.Fatalf("%d bytes are left of %d", len(rest), len(b))
			}
			keys, err := ClientKeys(p.Version, p.Destination)
			if err != nil {
				t.Fatal(err)
			}
			if frames, ok := keys.Open(p); ok && len(frames) >= len(b) {
				t.Fatalf("%d bytes of frames in %d", len(frames), len(b))
			}
			b = rest
		}
		if !bytes.Equal(datagram, before) {
			t.Fatal("the datagram has changed")
		}
	})
}

// The pieces are parts of the frames, and no more than these have room for.
func FuzzCryptos(f *testing.F) {
	f.Add(sample(f, "client_frames.hex"))
	f.Add([]byte("\x02\x40\x40\x00\x01\x00\x02\x03\x06\x05\x03abc"))
	f.Fuzz(func(t *testing.T, frames []byte) {
		cryptos, _ := Cryptos(frames)
		size := 0
		for _, c := range cryptos {
			size += 3 + len(c.Data)
			if !bytes.Contains(frames, c.Data) {
				t.Fatalf("%x is not among the frames", c.Data)
			}
		}
		if size > len(frames) {
			t.Fatalf("the pieces need %d bytes of %d", size, len(frames))
		}
	})
}
