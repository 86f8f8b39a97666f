package wire_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// A capture is one datagram of a real kernel with its decoding by another
// program; testdata/README.md has the format.
type capture struct {
	name, decoded string
	data          []byte
}

// captures reads a file of testdata.
func captures(tb testing.TB, file string) []capture {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		tb.Fatal(err)
	}
	var all []capture
	for i, line := range strings.Split(string(text), "\n") {
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '=':
			name, decoded, _ := strings.Cut(line[2:], " ")
			all = append(all, capture{name: name, decoded: decoded})
		default:
			c := &all[len(all)-1]
			if c.data, err = appendDump(c.data, line); err != nil {
				tb.Fatalf("%s:%d: %v", file, i+1, err)
			}
		}
	}
	return all
}

func appendDump(b []byte, line string) ([]byte, error) {
	if line[0] != '<' {
		p, err := hex.DecodeString(line)
		return append(b, p...), err
	}
	var distance, n int
	if _, err := fmt.Sscanf(line, "<%d %d", &distance, &n); err != nil {
		return b, err
	}
	for range n {
		b = append(b, b[len(b)-distance])
	}
	return b, nil
}

func (c capture) is(prefix string) bool { return strings.HasPrefix(c.decoded, prefix) }

// scenario returns the part of the name before the slash, if there is one.
func (c capture) scenario() string {
	return c.name[:max(strings.Index(c.name, "/"), 0)]
}

var probePattern = regexp.MustCompile(`(?:^|/)\d+-(.*?)-(?:tx|rx)(?:-\w+)?$`)

// probe returns the name without scenario, number and direction.
func (c capture) probe(tb testing.TB) string {
	tb.Helper()
	m := probePattern.FindStringSubmatch(c.name)
	if m == nil {
		tb.Fatalf("%s: not a name", c.name)
	}
	return m[1]
}

var fieldPattern = regexp.MustCompile(`(\w+)=('[^']*'|[^ )]+)`)

// fields returns the key=value pairs of a decoding.
func fields(s string) map[string]string {
	m := make(map[string]string)
	for _, kv := range fieldPattern.FindAllStringSubmatch(s, -1) {
		m[kv[1]] = strings.Trim(kv[2], "'")
	}
	return m
}

// num returns a field as a number; a missing one is 0.
func num(tb testing.TB, m map[string]string, key string) uint64 {
	tb.Helper()
	s, ok := m[key]
	if !ok {
		return 0
	}
	v, err := strconv.ParseUint(s, 0, 64)
	if err != nil {
		tb.Fatalf("%s=%s: %v", key, s, err)
	}
	return v
}

// stamp returns the field ts as seconds and microseconds.
func stamp(tb testing.TB, m map[string]string) (sec, usec uint64) {
	tb.Helper()
	s, us, _ := strings.Cut(m["ts"], ".")
	if s == "" {
		return 0, 0
	}
	sec, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		tb.Fatal(err)
	}
	usec, err = strconv.ParseUint(us, 10, 64)
	if err != nil {
		tb.Fatal(err)
	}
	return sec, usec
}

// hwAddr returns the field hw_addr.
func hwAddr(tb testing.TB, m map[string]string) (a [8]byte) {
	tb.Helper()
	p, err := hex.DecodeString(m["hw_addr"])
	if err != nil || len(p) != 8 && len(p) != 0 {
		tb.Fatalf("hw_addr=%s: %v", m["hw_addr"], err)
	}
	copy(a[:], p)
	return a
}

// sameBytes fails unless got equals want, and shows where they differ.
func sameBytes(tb testing.TB, what string, got, want []byte) {
	tb.Helper()
	if bytes.Equal(got, want) {
		return
	}
	i := 0
	for i < min(len(got), len(want)) && got[i] == want[i] {
		i++
	}
	from, to := max(i-16, 0)&^3, i+48
	tb.Errorf("%s: %d bytes, want %d; first difference at %d\n got[%d:] %x\nwant[%d:] %x", what, len(got), len(want), i,
		from, got[min(from, len(got)):min(to, len(got))], from, want[min(from, len(want)):min(to, len(want))])
}

// TestCapturesComplete checks the number of messages in each file, so that no
// other test passes because it had nothing to compare.
func TestCapturesComplete(t *testing.T) {
	for file, want := range map[string]map[string]int{
		"ipq_packets_le64.hex": {"IPQM_PACKET": 98, "NLMSG_ERROR": 0, "tx": 3, "short": 0},
		"ipq_packets_le32.hex": {"IPQM_PACKET": 96, "NLMSG_ERROR": 0, "tx": 3, "short": 0},
		"ipq_errors_le64.hex":  {"IPQM_PACKET": 47, "NLMSG_ERROR": 129, "tx": 152, "short": 4},
		"ipq_errors_le32.hex":  {"IPQM_PACKET": 46, "NLMSG_ERROR": 126, "tx": 150, "short": 4},
		"ct_le64.hex":          {"CT": 5},
		"nfq_le64.hex":         {"NFQ_PACKET": 28, "NLMSG_ERROR": 45, "tx": 45},
	} {
		all := captures(t, file)
		for kind, n := range want {
			got := 0
			for _, c := range all {
				if c.is(kind + " ") {
					got++
				}
			}
			if got != n {
				t.Errorf("%s: %d of kind %s, want %d", file, got, kind, n)
			}
		}
	}
}
