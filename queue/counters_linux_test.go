package queue_test

import (
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ipqueue/ipqueue/internal/netns"
)

// checksumErrors are the namespace's counters of packets that were dropped
// because of a bad checksum, by their names: "Udp: InCsumErrors" for IPv4,
// "Udp6InCsumErrors" for IPv6.
func checksumErrors(t *testing.T, n *netns.Namespace) map[string]int {
	t.Helper()
	counters := make(map[string]int)
	err := n.Do(func() error {
		b, err := os.ReadFile("/proc/thread-self/net/snmp")
		if err != nil {
			return err
		}
		addSNMP(counters, string(b))
		b, err = os.ReadFile("/proc/thread-self/net/snmp6")
		addSNMP6(counters, string(b))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range counters {
		if !strings.HasSuffix(name, "InCsumErrors") {
			delete(counters, name)
		}
	}
	return counters
}

// addSNMP parses pairs of lines, names and values, that begin with the
// protocol's name.
func addSNMP(counters map[string]int, text string) {
	lines := strings.Split(text, "\n")
	for i := 0; i+1 < len(lines); i += 2 {
		names, values := strings.Fields(lines[i]), strings.Fields(lines[i+1])
		for j := 1; j < len(names); j++ {
			counters[names[0]+" "+names[j]], _ = strconv.Atoi(values[j])
		}
	}
}

// addSNMP6 parses lines of a name and a value.
func addSNMP6(counters map[string]int, text string) {
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(line, " "); ok {
			counters[name], _ = strconv.Atoi(strings.TrimSpace(value))
		}
	}
}

func TestKernelChecksumErrorsAreCounted(t *testing.T) {
	l := newLab(t)
	counters := checksumErrors(t, l.ns)
	for _, name := range []string{"Udp: InCsumErrors", "Tcp: InCsumErrors", "Icmp: InCsumErrors", "Udp6InCsumErrors"} {
		if value, ok := counters[name]; !ok || value != 0 {
			t.Errorf("%s = %d, %t, want 0, true", name, value, ok)
		}
	}
}

// readTCP reads n bytes from the stream.
func readTCP(t *testing.T, conn *net.TCPConn, n int) string {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, n)
	if got, err := io.ReadFull(conn, b); err != nil {
		t.Fatalf("after %d of %d bytes: %v", got, n, err)
	}
	return string(b)
}
