package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/ipqueue/ipqueue/internal/testutil"
	"github.com/ipqueue/ipqueue/queue"
)

// packets returns records with all lengths modulo 4, all hooks and all kinds of
// metadata.
func packets() (records []*record) {
	for i := range 8 {
		data := slices.Concat([]byte{0x45, 0, 0, byte(20 + i), 0, 0, 0, 0, 64, 253, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2}, make([]byte, i))
		records = append(records, &record{
			when: time.Unix(1700000000, int64(i)), length: uint32(len(data)), data: data, id: uint64(i) << 30,
			hook: queue.HookOutput, out: "eth0", verdict: queue.Accept, waited: time.Duration(i) * time.Microsecond,
		})
	}
	ethernet := slices.Concat(make([]byte, 12), []byte{8, 0}, records[0].data)
	return append(records,
		&record{when: time.Unix(1700000000, 8), length: 1500, data: records[0].data, hook: queue.HookInput, in: "wlan0",
			verdict: queue.Drop, skipped: 1 << 40, mark: 0xca6c},
		&record{when: time.Unix(1700000000, 9), hook: queue.HookForward, in: "eth0", out: "tun0", verdict: queue.Accept}, // only metadata
		&record{when: time.Unix(1700000000, 10), length: 34, data: ethernet, ethernet: true, hook: queue.HookPrerouting, in: "eth0", verdict: queue.Accept},
		&record{when: time.Unix(1700000000, 11), length: 20, data: records[0].data, verdict: queue.Accept}) // no interface
}

// An entry contains what a reader of the file finds for a packet.
type entry struct {
	info   gopacket.CaptureInfo
	name   string // of the interface
	typ    layers.LinkType
	data   []byte
	extras pcapgo.NgPacketOptions
}

// readCapture decodes the whole file.
func readCapture(t *testing.T, b []byte) (entries []entry) {
	t.Helper()
	r, err := pcapgo.NewNgReader(bytes.NewReader(b), pcapgo.NgReaderOptions{WantMixedLinkType: true})
	if err != nil {
		t.Fatal(err)
	}
	for {
		data, info, extras, err := r.ReadPacketDataWithOptions()
		if errors.Is(err, io.EOF) {
			return entries
		}
		if err != nil {
			t.Fatalf("after %d packets: %v", len(entries), err)
		}
		of, err := r.Interface(info.InterfaceIndex)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, entry{info, of.Name, of.LinkType, data, extras})
	}
}

// write returns a file with the records.
func write(t *testing.T, records []*record) []byte {
	t.Helper()
	var b bytes.Buffer
	c, err := newCapture(&b, 7)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if err := c.write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.w.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestCapture(t *testing.T) {
	got := readCapture(t, write(t, packets()))
	if len(got) != len(packets()) {
		t.Fatalf("%d packets, want %d", len(got), len(packets()))
	}
	for i, r := range packets() {
		e := got[i]
		if !e.info.Timestamp.Equal(r.when) || e.info.Length != int(r.length) || !bytes.Equal(e.data, r.data) {
			t.Errorf("packet %d: %v, %x, want %v", i, e.info, e.data, r)
		}
		if comment := r.comment(); len(e.extras.Comments) != 1 || e.extras.Comments[0] != comment {
			t.Errorf("packet %d: comments %q, want %q", i, e.extras.Comments, comment)
		}
		if *e.extras.PacketID != r.id || *e.extras.Queue != 7 {
			t.Errorf("packet %d: id %d of queue %d, want %d of 7", i, *e.extras.PacketID, *e.extras.Queue, r.id)
		}
	}
	for i, want := range map[int]link{
		0: {"eth0", layers.LinkTypeRaw}, 8: {"wlan0", layers.LinkTypeRaw}, 9: {"eth0", layers.LinkTypeRaw},
		10: {"eth0", layers.LinkTypeEthernet}, 11: {"queue 7", layers.LinkTypeRaw},
	} {
		if e := got[i]; e.name != want.name || e.typ != want.typ {
			t.Errorf("packet %d: interface %s of type %v, want %v", i, e.name, e.typ, want)
		}
	}
	if got[8].info.InterfaceIndex == got[9].info.InterfaceIndex || got[0].info.InterfaceIndex != got[9].info.InterfaceIndex {
		t.Error("interfaces are not told apart by name")
	}
}

// TestEmptyCapture reads a file without packets.
func TestEmptyCapture(t *testing.T) {
	if got := readCapture(t, write(t, nil)); len(got) != 0 {
		t.Errorf("%d packets, want none", len(got))
	}
}

func TestComment(t *testing.T) {
	for _, test := range []struct {
		record record
		want   string
	}{
		{record{verdict: queue.Accept, waited: 1234567, hook: queue.HookOutput, out: "lo"}, "accept after 1.23ms at Output out lo"},
		{record{verdict: queue.Drop, waited: 21000, hook: queue.HookForward, in: "a", out: "b", mark: 255}, "drop after 21µs at Forward in a out b, mark 0xff"},
	} {
		if got := test.record.comment(); got != test.want {
			t.Errorf("comment %q, want %q", got, test.want)
		}
	}
}

// TestWireshark checks that Wireshark finds the same values in the file.
func TestWireshark(t *testing.T) {
	file := filepath.Join(t.TempDir(), "packets.pcapng")
	if err := os.WriteFile(file, write(t, packets()), 0o600); err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	for _, r := range packets() {
		name, direction, tc, drops := r.link().name, 1, 0, ""
		if name == "" {
			name = "queue 7"
		}
		if r.outbound() {
			direction = 2
		}
		if r.verdict == queue.Drop {
			tc = 2
		}
		if r.skipped > 0 {
			drops = fmt.Sprint(r.skipped)
		}
		fmt.Fprintf(&want, "%d.%09d;%d;%d;%s;%d;%d;7;%d;%s;%s\n", r.when.Unix(), r.when.Nanosecond(), r.length, len(r.data),
			name, direction, r.id, tc, drops, r.comment())
	}
	if got := normal(tshark(t, file)); got != want.String() {
		t.Errorf("tshark reads\n%swant\n%s", got, &want)
	}
}

// normal converts the hexadecimal numbers, which tshark uses for some fields,
// to decimal.
func normal(text string) string {
	lines := strings.SplitAfter(text, "\n")
	for i, l := range lines {
		fields := strings.Split(l, ";")
		for j, f := range fields {
			var n uint64
			if _, err := fmt.Sscanf(f, "0x%x", &n); err == nil {
				fields[j] = fmt.Sprint(n)
			}
		}
		lines[i] = strings.Join(fields, ";")
	}
	return strings.Join(lines, "")
}

// tshark returns for each packet in the file: time, length, length of the copy,
// interface, direction, id, queue, verdict, packets lost before it, and
// comment.
func tshark(t *testing.T, file string) string {
	t.Helper()
	program, err := exec.LookPath("tshark")
	if err != nil {
		testutil.Lacks(t, testutil.Program("tshark"), err)
	}
	args := []string{"-r", file, "-T", "fields", "-E", "separator=;"}
	for _, field := range []string{"time_epoch", "len", "cap_len", "interface_name", "packet_flags_direction", "packet_id",
		"interface_queue", "verdict.ebpf_tc", "drop_count", "comment"} {
		args = append(args, "-e", "frame."+field)
	}
	out, err := exec.Command(program, args...).Output()
	if err != nil {
		t.Fatalf("tshark: %v", err)
	}
	return string(out)
}
