package wire_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ipqueue/ipqueue/wire"
)

func testdata(tb testing.TB, file string) []byte {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func TestParseNFQStatusCaptures(t *testing.T) {
	tests := []struct {
		file string
		want wire.NFQStatus
	}{
		{"proc_nfnetlink_queue_bound.txt", wire.NFQStatus{Queue: 3, Port: 29702, CopyMode: wire.CopyPacket, CopyRange: 65531}},
		{"proc_nfnetlink_queue_pending.txt", wire.NFQStatus{Queue: 3, Port: 29702, Pending: 1, CopyMode: wire.CopyMeta, LastID: 27}},
	}
	for _, tt := range tests {
		text := testdata(t, tt.file)
		got, ok, err := wire.ParseNFQStatus(text, 3)
		if got != tt.want || !ok || err != nil {
			t.Errorf("%s: got %+v, %v, %v, want %+v", tt.file, got, ok, err, tt.want)
		}
		if got, ok, err := wire.ParseNFQStatus(text, 4); got != (wire.NFQStatus{}) || ok || err != nil {
			t.Errorf("%s: queue 4: got %+v, %v, %v, want none", tt.file, got, ok, err)
		}
	}
}

func TestParseNFQStatus(t *testing.T) {
	// The second row has the port of the second socket of a process; the
	// third is printed with signs, as by kernels before 3.10.
	const text = "    0    812     7 2 65531     1     2        9  1\n" +
		"    1 4294963199     0 0 65531     0     0        0  1\n" +
		"65535  -4097    -1 1     0 -2147483648     0 4294967295  1\n" +
		"    1      1     1 1     1     1     1        1  1"
	tests := []struct {
		queue uint16
		want  wire.NFQStatus
		ok    bool
	}{
		{0, wire.NFQStatus{Queue: 0, Port: 812, Pending: 7, CopyMode: 2, CopyRange: 65531, QueueDropped: 1, UserDropped: 2, LastID: 9}, true},
		{1, wire.NFQStatus{Queue: 1, Port: 4294963199, CopyRange: 65531}, true},
		{65535, wire.NFQStatus{Queue: 65535, Port: 4294963199, Pending: 4294967295, CopyMode: 1, QueueDropped: 1 << 31, LastID: 4294967295}, true},
		{2, wire.NFQStatus{}, false},
		{65531, wire.NFQStatus{}, false},
	}
	for _, tt := range tests {
		got, ok, err := wire.ParseNFQStatus([]byte(text), tt.queue)
		if got != tt.want || ok != tt.ok || err != nil {
			t.Errorf("queue %d: got %+v, %v, %v, want %+v, %v", tt.queue, got, ok, err, tt.want, tt.ok)
		}
	}
}

func TestParseNFQStatusForms(t *testing.T) {
	one := wire.NFQStatus{Queue: 1, Port: 2, Pending: 3, CopyMode: 4, CopyRange: 5, QueueDropped: 6, UserDropped: 7, LastID: 8}
	tests := []struct {
		name, text string
		want       wire.NFQStatus
		ok         bool
		err        error
		message    string
	}{
		{"empty", "", wire.NFQStatus{}, false, nil, ""},
		{"blank lines", "\n  \n\n", wire.NFQStatus{}, false, nil, ""},
		{"no last line break", "1 2 3 4 5 6 7 8 1", one, true, nil, ""},
		{"8 columns", "1 2 3 4 5 6 7 8\n", one, true, nil, ""},
		{"more columns", "\n1 2 3 4 5 6 7 8 1 of a later kernel\n", one, true, nil, ""},
		{"header", "queue port\n1\t2 3 4 5 6 7 8 1\n", one, true, nil, ""},
		{"large mode", "1 2 3 400 5 6 7 8 1\n", wire.NFQStatus{Queue: 1, Port: 2, Pending: 3, CopyMode: 255, CopyRange: 5, QueueDropped: 6, UserDropped: 7, LastID: 8}, true, nil, ""},
		{"short row of another queue", "2 3\n1 2 3 4 5 6 7 8 1\n", one, true, nil, ""},
		{"short row", "2\n1 2 3\n", wire.NFQStatus{}, false, wire.ErrMissing, "nfnetlink_queue status: columns at offset 2: attribute is missing: want 8, got 3"},
		{"no number", "1 2 3 x 5 6 7 8 1\n", wire.NFQStatus{}, false, wire.ErrValue, "nfnetlink_queue status: column 4 at offset 0: bad value"},
		{"too large", "1 2 3 4 4294967296 6 7 8 1\n", wire.NFQStatus{}, false, wire.ErrValue, "nfnetlink_queue status: column 5 at offset 0: bad value"},
		{"too small", "1 2 3 4 -2147483649 6 7 8 1\n", wire.NFQStatus{}, false, wire.ErrValue, "nfnetlink_queue status: column 5 at offset 0: bad value"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok, err := wire.ParseNFQStatus([]byte(tt.text), 1)
			if got != tt.want || ok != tt.ok || !errors.Is(err, tt.err) {
				t.Errorf("got %+v, %v, %v, want %+v, %v, %v", got, ok, err, tt.want, tt.ok, tt.err)
			}
			if err != nil && err.Error() != tt.message {
				t.Errorf("error %q, want %q", err, tt.message)
			}
		})
	}
}

// ipqLines prints labels and values as the kernel does.
func ipqLines(labelsAndValues ...any) string {
	var s strings.Builder
	for i := 0; i < len(labelsAndValues); i += 2 {
		fmt.Fprintf(&s, "%-18s: %v\n", labelsAndValues[i], labelsAndValues[i+1])
	}
	return s.String()
}

func TestParseIPQStatus(t *testing.T) {
	tests := []struct {
		name, text string
		want       wire.IPQStatus
	}{
		{"Linux 3.4, idle", string(testdata(t, "proc_ip_queue.txt")), wire.IPQStatus{MaxLen: 1024}},
		{"Linux 3.4, idle, IPv6", string(testdata(t, "proc_ip6_queue.txt")), wire.IPQStatus{MaxLen: 1024}},
		{
			"Linux 3.4, queue full",
			ipqLines("Peer PID", 54, "Copy mode", 1, "Copy range", 0, "Queue length", 10, "Queue max. length", 10, "Queue dropped", 12, "Netlink dropped", 118),
			wire.IPQStatus{Port: 54, CopyMode: wire.CopyMeta, Pending: 10, MaxLen: 10, QueueDropped: 12, UserDropped: 118},
		},
		{
			"Linux 3.4, no limit, IPv6",
			ipqLines("Peer PID", 60, "Copy mode", 2, "Copy range", 65535, "Queue length", 20, "Queue max. length", uint32(4294967295), "Queue dropped", 30, "Netfilter dropped", 119),
			wire.IPQStatus{Port: 60, CopyMode: wire.CopyPacket, CopyRange: 65535, Pending: 20, MaxLen: 4294967295, QueueDropped: 30, UserDropped: 119},
		},
		{
			"Linux 2.4.21 to 2.6.17",
			ipqLines("Peer PID", 4711, "Copy mode", 2, "Copy range", 1500, "Queue length", 3, "Queue max. length", 1024),
			wire.IPQStatus{Port: 4711, CopyMode: wire.CopyPacket, CopyRange: 1500, Pending: 3, MaxLen: 1024},
		},
		{
			"Linux 2.4.0",
			"Peer pid            : 4711\nPeer died           : 0\nPeer copy mode      : 1\nPeer copy range     : 77\n" +
				"Queue length        : 3\nQueue max. length   : 1024\nQueue flushing      : 0\nQueue terminate     : 0\n",
			wire.IPQStatus{Port: 4711, CopyMode: wire.CopyMeta, CopyRange: 77, Pending: 3, MaxLen: 1024},
		},
		{"signed", "Peer PID:-4097\nQueue max. length : -1", wire.IPQStatus{Port: 4294963199, MaxLen: 4294967295}},
		{"large mode", "Copy mode : 256\n", wire.IPQStatus{CopyMode: 255}},
		{"empty", "", wire.IPQStatus{}},
		{"unknown lines", "\nColour : blue\nno colon\nQueue dropped : 5\n: 7\n", wire.IPQStatus{QueueDropped: 5}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := wire.ParseIPQStatus([]byte(tt.text)); got != tt.want || err != nil {
				t.Errorf("got %+v, %v, want %+v", got, err, tt.want)
			}
		})
	}
}

func TestParseIPQStatusErrors(t *testing.T) {
	for _, label := range []string{"Copy mode", "Copy range", "Queue length", "Queue max. length", "Queue dropped", "Netlink dropped"} {
		for _, value := range []string{"", "x", "1 2", "4294967296"} {
			got, err := wire.ParseIPQStatus([]byte("Peer PID : 7\n" + label + " : " + value + "\n"))
			if want := (wire.IPQStatus{Port: 7}); got != want {
				t.Errorf("%s %q: got %+v, want %+v", label, value, got, want)
			}
			want := "ip_queue status: " + label + " at offset 13: bad value"
			if !errors.Is(err, wire.ErrValue) || err.Error() != want {
				t.Errorf("%s %q: error %v, want %q", label, value, err, want)
			}
		}
	}
}

func TestParseNFQueueHandlers(t *testing.T) {
	tests := []struct {
		name, text string
		want       map[uint8]string
	}{
		{"Linux 3.4", string(testdata(t, "proc_nf_queue.txt")), map[uint8]string{2: "ip_queue", 10: "ip6_queue"}},
		{"nfnetlink_queue", " 0 NONE\n 2 nf_queue\n10 NONE", map[uint8]string{2: "nf_queue"}},
		{"empty", "", map[uint8]string{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := wire.ParseNFQueueHandlers([]byte(tt.text)); !maps.Equal(got, tt.want) || err != nil {
				t.Errorf("got %v, %v, want %v", got, err, tt.want)
			}
		})
	}
}

func TestParseNFQueueHandlersErrors(t *testing.T) {
	lines := map[string]string{
		"\n":             "nf_queue status: line at offset 12: bad value: want 2, got 0",
		"2\n":            "nf_queue status: line at offset 12: bad value: want 2, got 1",
		"x ip_queue\n":   "nf_queue status: line at offset 12: bad value",
		"256 ip_queue\n": "nf_queue status: line at offset 12: bad value",
		"-1 ip_queue\n":  "nf_queue status: line at offset 12: bad value",
	}
	for line, want := range lines {
		got, err := wire.ParseNFQueueHandlers([]byte(" 2 ip_queue\n" + line))
		if got != nil || !errors.Is(err, wire.ErrValue) || err.Error() != want {
			t.Errorf("%q: got %v, %v, want %q", line, got, err, want)
		}
	}
}

func TestParseNFQStatusRows(t *testing.T) {
	const text = "    0    812     7 2 65531     1     2        9  1\n" +
		"65535  -4097    -1 1     0     0     0        0  1\n"
	rows, err := wire.ParseNFQStatusRows([]byte(text))
	if len(rows) != 2 || rows[0].Port != 812 || rows[1].Queue != 65535 || err != nil {
		t.Errorf("got %+v, %v, want queues 0 and 65535", rows, err)
	}
	for _, tt := range []struct {
		text string
		rows int
		want error
	}{
		{"", 0, nil},
		{text + "65536 1 1 1 1 1 1 1 1\n", 2, wire.ErrValue},
		{text + "\n", 2, wire.ErrValue},
		{text + "7 1 1\n", 2, wire.ErrMissing},
	} {
		if rows, err := wire.ParseNFQStatusRows([]byte(tt.text)); len(rows) != tt.rows || !errors.Is(err, tt.want) {
			t.Errorf("%q: %d rows, %v, want %d, %v", tt.text, len(rows), err, tt.rows, tt.want)
		}
	}
}
