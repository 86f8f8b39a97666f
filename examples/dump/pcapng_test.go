package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ipqueue/ipqueue/internal/testutil"
	"github.com/ipqueue/ipqueue/queue"
)

// A block is one of a pcapng file, taken apart by a reader that shares nothing
// with the writer.
type block struct {
	kind    uint32
	fixed   []byte // the fields before the options
	options map[uint16]string
}

// fixedSize is the length of a block's fields before the options.
func fixedSize(kind uint32, body []byte) int {
	switch kind {
	case 0x0A0D0D0A:
		return 16
	case 1:
		return 8
	case 6:
		return 20 + (int(binary.LittleEndian.Uint32(body[12:]))+3)/4*4
	}
	return len(body)
}

// readBlocks fails the test unless b is a sequence of whole blocks.
func readBlocks(t *testing.T, b []byte) (blocks []block) {
	t.Helper()
	for len(b) > 0 {
		if len(b) < 12 {
			t.Fatalf("%d bytes are left, want a block", len(b))
		}
		kind, n := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
		if n%4 != 0 || n < 12 || int(n) > len(b) {
			t.Fatalf("block of %d bytes, with %d left", n, len(b))
		}
		if got := binary.LittleEndian.Uint32(b[n-4:]); got != n {
			t.Fatalf("block of %d bytes ends with length %d", n, got)
		}
		body := b[8 : n-4]
		fixed := fixedSize(kind, body)
		blocks = append(blocks, block{kind, body[:fixed], readOptions(t, body[fixed:])})
		b = b[n:]
	}
	return blocks
}

func readOptions(t *testing.T, b []byte) map[uint16]string {
	t.Helper()
	options := make(map[uint16]string)
	for {
		if len(b) < 4 {
			t.Fatalf("options end with %d bytes, want their end", len(b))
		}
		code, n := binary.LittleEndian.Uint16(b), int(binary.LittleEndian.Uint16(b[2:]))
		if code == 0 {
			if n != 0 || len(b) != 4 {
				t.Fatalf("end of options has %d bytes and %d more follow, want none", n, len(b)-4)
			}
			return options
		}
		options[code] = string(b[4 : 4+n])
		b = b[4+(n+3)/4*4:]
	}
}

// captured is the packet in a block, as readBlocks left it.
func captured(t *testing.T, b block) record {
	t.Helper()
	if b.kind != 6 {
		t.Fatalf("block of type %#x, want a packet", b.kind)
	}
	field := func(i int) uint32 { return binary.LittleEndian.Uint32(b.fixed[4*i:]) }
	when := int64(field(1))<<32 | int64(field(2))
	return record{when: time.Unix(0, when), length: field(4), data: b.fixed[20:][:field(3)]}
}

func TestSection(t *testing.T) {
	blocks := readBlocks(t, appendSection(nil))
	if len(blocks) != 2 {
		t.Fatalf("%d blocks, want 2", len(blocks))
	}
	for i, want := range []block{
		{0x0A0D0D0A, []byte("\x4D\x3C\x2B\x1A\x01\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff"), map[uint16]string{4: "ipqueue dump"}},
		{1, []byte{101, 0, 0, 0, 0, 0, 0, 0}, map[uint16]string{9: "\x09"}},
	} {
		if got := blocks[i]; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("block %d: %v, want %v", i, got, want)
		}
	}
}

// packets are records of all lengths modulo 4.
func packets() (records []*record) {
	for i := range 8 {
		data := slices.Concat([]byte{0x45, 0, 0, byte(20 + i), 0, 0, 0, 0, 64, 253, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2}, make([]byte, i))
		records = append(records, &record{
			when: time.Unix(1700000000, int64(i)), length: uint32(len(data)), data: data,
			verdict: queue.Accept, waited: time.Duration(i) * time.Microsecond,
		})
	}
	return append(records,
		&record{when: time.Unix(1700000000, 8), length: 1500, data: records[0].data, verdict: queue.Drop, skipped: 1 << 40},
		&record{when: time.Unix(1700000000, 9), verdict: queue.Accept}) // metadata alone
}

func TestPackets(t *testing.T) {
	var b []byte
	for _, r := range packets() {
		b = appendPacket(b, r)
	}
	blocks := readBlocks(t, b)
	if got, want := len(blocks), len(packets()); got != want {
		t.Fatalf("%d blocks, want %d", got, want)
	}
	for i, r := range packets() {
		got := captured(t, blocks[i])
		if !got.when.Equal(r.when) || got.length != r.length || !bytes.Equal(got.data, r.data) {
			t.Errorf("packet %d: %v, want %v", i, got, r)
		}
		comment := strings.ToLower(r.verdict.String()) + " after " + r.waited.String()
		if got := blocks[i].options[1]; got != comment {
			t.Errorf("packet %d: comment %q, want %q", i, got, comment)
		}
		lost, ok := blocks[i].options[4]
		if ok != (r.skipped > 0) || ok && binary.LittleEndian.Uint64([]byte(lost)) != r.skipped {
			t.Errorf("packet %d: drop count %q, want %d", i, lost, r.skipped)
		}
	}
}

// Wireshark reads the file as we mean it.
func TestWireshark(t *testing.T) {
	b := appendSection(nil)
	var want strings.Builder
	for _, r := range packets() {
		b = appendPacket(b, r)
		fmt.Fprintf(&want, "%d.%09d %d %d %s after %v\n", r.when.Unix(), r.when.Nanosecond(), r.length, len(r.data), r.fate(), r.waited)
	}
	file := filepath.Join(t.TempDir(), "packets.pcapng")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := tshark(t, file); got != want.String() {
		t.Errorf("tshark reads\n%swant\n%s", got, &want)
	}
}

// tshark shows times, lengths, lengths of the copies, and comments.
func tshark(t *testing.T, file string) string {
	t.Helper()
	program, err := exec.LookPath("tshark")
	if err != nil {
		testutil.Lacks(t, "tshark", err)
	}
	out, err := exec.Command(program, "-r", file, "-T", "fields", "-E", "separator= ", "-e", "frame.time_epoch",
		"-e", "frame.len", "-e", "frame.cap_len", "-e", "frame.comment").Output()
	if err != nil {
		t.Fatalf("tshark: %v", err)
	}
	return string(out)
}
