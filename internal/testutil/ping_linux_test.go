package testutil

import (
	"bytes"
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/net/icmp"

	"github.com/ipqueue/ipqueue/internal/netns"
)

func TestPing(t *testing.T) {
	requireInside(t)
	CheckLeaks(t)
	for _, p := range paths(t) {
		t.Run(p.name, func(t *testing.T) {
			for _, size := range []int{0, 1, 56, 1400} {
				if err := Ping(p.from, p.addr, bytes.Repeat([]byte{0xa5}, size), patience); err != nil {
					t.Errorf("%d bytes: %v", size, err)
				}
			}
		})
	}
}

func TestPingLost(t *testing.T) {
	requireInside(t)
	n := NewNamespace(t)
	table, err := n.AddTable(netns.Inet, "test")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := table.AddChain(netns.Input, 0, netns.Rule{Action: netns.Drop}); err != nil {
		t.Fatal(err)
	}
	for _, addr := range Loopback(t).Addrs() {
		if err := Ping(n, addr, nil, time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%v: %v, want os.ErrDeadlineExceeded", addr, err)
		}
	}
}

// replies is a connection on which messages arrive.
type replies [][]byte

func (r *replies) ReadFrom(b []byte) (int, net.Addr, error) {
	if len(*r) == 0 {
		return 0, nil, os.ErrDeadlineExceeded
	}
	n := copy(b, (*r)[0])
	*r = (*r)[1:]
	return n, nil, nil
}

func TestPingChoosesReply(t *testing.T) {
	request := &icmp.Echo{ID: 0x0102, Seq: 0x0304, Data: []byte("p")}
	for _, test := range []struct {
		name    string
		message []byte
		want    string
	}{
		{"reply", []byte{0, 0, 0, 0, 1, 2, 3, 4, 'p'}, ""},
		{"request", []byte{8, 0, 0, 0, 1, 2, 3, 4, 'p'}, os.ErrDeadlineExceeded.Error()},
		{"to another", []byte{0, 0, 0, 0, 1, 2, 3, 5, 'p'}, os.ErrDeadlineExceeded.Error()},
		{"short", []byte{0, 0, 0, 0}, os.ErrDeadlineExceeded.Error()},
		{"changed", []byte{0, 0, 0, 0, 1, 2, 3, 4, 'q'}, `echo reply of 1 bytes "q", want 1 bytes "p"`},
	} {
		err := echo4.await(&replies{test.message}, request)
		if (err == nil && test.want != "") || (err != nil && err.Error() != test.want) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
}
