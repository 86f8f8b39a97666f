package kerneltest

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"
)

func TestParseMessage(t *testing.T) {
	for name, tt := range map[string]struct {
		hex string
		ok  bool
	}{
		"whole":         {"11000000 1100 0500 01000000 02000000 aa", true},
		"with more":     {"10000000 1100 0500 01000000 02000000 aa", true},
		"short header":  {"10000000 1100 0500 01000000 020000", false},
		"length 15":     {"0f000000 1100 0500 01000000 02000000", false},
		"length beyond": {"11000000 1100 0500 01000000 02000000", false},
		"huge length":   {"ffffffff 1100 0500 01000000 02000000", false},
		"empty":         {"", false},
	} {
		t.Run(name, func(t *testing.T) {
			h, m, ok := parseMessage(binary.LittleEndian, unhex(t, tt.hex))
			if ok != tt.ok {
				t.Fatalf("ok is %v, want %v", ok, tt.ok)
			}
			if want := (header{uint32(len(m)), 0x11, 5, 1, 2}); ok && h != want {
				t.Errorf("header is %+v, want %+v", h, want)
			}
		})
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestReply checks the refusal of a request of 19 bytes with EINVAL on several kernel
// versions. The recordings are from two versions only.
func TestReply(t *testing.T) {
	const request = "13000000 0203 0500 09000000 00000000 aabbcc"
	for name, tt := range map[string]struct {
		style replyStyle
		errno Errno
		want  string
	}{
		"old": {replyStyle{}, 22,
			"27000000 0200 0000 09000000 34120000 eaffffff" + request + "00"},
		"rounded": {replyStyle{rounded: true, flagged: true}, 22,
			"28000000 0200 0000 09000000 34120000 eaffffff" + request + "00"},
		"capped": {replyStyle{capped: true, flagged: true}, 22,
			"24000000 0200 0001 09000000 34120000 eaffffff" + request[:len(request)-6]},
		"capped, no flag": {replyStyle{capped: true}, 22,
			"24000000 0200 0000 09000000 34120000 eaffffff" + request[:len(request)-6]},
		"ack": {replyStyle{flagged: true}, 0,
			"24000000 0200 0001 09000000 34120000 00000000" + request[:len(request)-6]},
	} {
		t.Run(name, func(t *testing.T) {
			tt.style.order = binary.LittleEndian
			got := tt.style.reply(0x1234, tt.errno, unhex(t, request))
			if want := unhex(t, tt.want); !bytes.Equal(got, want) {
				t.Errorf("got\n%x, want\n%x", got, want)
			}
		})
	}
}
