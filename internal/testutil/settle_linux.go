package testutil

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// awaitTCP fails the test if, after a while, there are TCP connections to the loopback
// link of the process with data that the other end has not acknowledged. The tests of a
// process share that link. The kernel sends such data again, even after the program has
// closed the socket, and the queue of a later test would receive it.
func awaitTCP(t testing.TB, within time.Duration) {
	t.Helper()
	for end := time.Now().Add(within); ; time.Sleep(10 * time.Millisecond) {
		pending, err := pendingTCP()
		switch {
		case err != nil:
			t.Error(err)
			return
		case len(pending) == 0:
			return
		case time.Now().After(end):
			t.Errorf("the test left data that TCP will send again:\n%s", strings.Join(pending, "\n"))
			return
		}
	}
}

// pendingTCP returns a line for each connection with such data.
func pendingTCP() (pending []string, err error) {
	for _, table := range []string{"tcp", "tcp6"} {
		lines, err := readTCP("/proc/thread-self/net/" + table)
		if err != nil {
			return nil, err
		}
		pending = append(pending, lines...)
	}
	return pending, nil
}

func readTCP(table string) (pending []string, err error) {
	f, err := os.Open(table)
	if errors.Is(err, fs.ErrNotExist) { // a kernel without IPv6
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Scan() // the names of the columns
	for lines.Scan() {
		line, err := pendingRow(strings.Fields(lines.Text()))
		if err != nil {
			return nil, fmt.Errorf("%s: %q: %w", table, lines.Text(), err)
		}
		if line != "" {
			pending = append(pending, line)
		}
	}
	return pending, lines.Err()
}

// pendingRow reads a row of the table (net/ipv4/tcp_ipv4.c, get_tcp4_sock). It returns ""
// if nothing will be sent to the loopback link.
func pendingRow(column []string) (line string, err error) {
	const local, remote, state, queues = 1, 2, 3, 4
	if len(column) <= queues {
		return "", errors.New("too few columns")
	}
	from, err := parseProcAddr(column[local])
	if err != nil {
		return "", err
	}
	to, err := parseProcAddr(column[remote])
	if err != nil {
		return "", err
	}
	unacknowledged, _, _ := strings.Cut(column[queues], ":")
	bytes, err := strconv.ParseUint(unacknowledged, 16, 64)
	if err != nil || bytes == 0 || !to.Addr().IsLoopback() {
		return "", err
	}
	return fmt.Sprintf("%v > %v, state %s, %d bytes", from, to, column[state], bytes), nil
}

// parseProcAddr parses an address and a port in hexadecimal digits. The address is
// printed in words of 32 bits, in the byte order of the machine.
func parseProcAddr(s string) (netip.AddrPort, error) {
	words, number, _ := strings.Cut(s, ":")
	port, err := strconv.ParseUint(number, 16, 16)
	if err != nil {
		return netip.AddrPort{}, err
	}
	var b []byte
	for ; len(words) >= 8; words = words[8:] {
		word, err := strconv.ParseUint(words[:8], 16, 32)
		if err != nil {
			return netip.AddrPort{}, err
		}
		b = binary.NativeEndian.AppendUint32(b, uint32(word))
	}
	addr, ok := netip.AddrFromSlice(b)
	if !ok || words != "" {
		return netip.AddrPort{}, fmt.Errorf("%s is no address", s)
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(port)), nil
}
