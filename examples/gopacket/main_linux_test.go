package main

import (
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/gopacket/gopacket"

	"github.com/ipqueue/ipqueue/internal/netns"
	"github.com/ipqueue/ipqueue/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m) }

func TestGopacket(t *testing.T) {
	testutil.RequireKernel(t)
	program := testutil.Build(t)
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) { testGuards(t, program, signal) })
	}
	t.Run("unread", func(t *testing.T) { testUnread(t, program) })
	t.Run("complains", func(t *testing.T) { testComplains(t, program) })
}

// testUnread checks that packets pass and the program ends even if its output
// is not read.
func testUnread(t *testing.T, program string) {
	testutil.Feed(t, netns.Rule{
		Protocol: netns.UDP, DstPort: port, Action: netns.Enqueue, Queue: netns.Queue{First: 3},
	})
	testutil.WantUnread(t, program, 3, func() {
		client, server := endpoints(t, testutil.Loopback(t).IPv6)
		if _, err := client.Write(build(t, vxlan(5), gopacket.Payload{5})); err != nil {
			t.Fatal(err)
		}
		testutil.Receive(t, server)
	}, "-vni", "5")
}

const port = 4789

func testGuards(t *testing.T, program string, end os.Signal) {
	testutil.Feed(t, netns.Rule{
		Protocol: netns.UDP, DstPort: port, Action: netns.Enqueue, Queue: netns.Queue{First: 3},
	})
	p := testutil.Start(t, program, "-queue", "3", "-vni", "5,6")
	testutil.AwaitOwner(t, 3)
	for _, addr := range testutil.Loopback(t).Addrs() {
		client, server := endpoints(t, addr)
		for vni := range uint32(8) {
			if _, err := client.Write(build(t, vxlan(vni), gopacket.Payload{byte(vni)})); err != nil {
				t.Fatal(err)
			}
		}
		for _, want := range []byte{5, 6} {
			got := testutil.Receive(t, server)
			if got[len(got)-1] != want {
				t.Errorf("network %d passed, want %d", got[len(got)-1], want)
			}
		}
	}
	p.Signal(t, end)
	if got := p.Wait(t); got != 0 || p.Stderr.String() != "" {
		t.Errorf("exit status %d and complaints %q, want 0 and none", got, &p.Stderr)
	}
	if got, want := p.Stdout.String(), "gopacket: queue 3, 2 networks may pass\ngopacket: 4 passed, 12 dropped\n"; got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
}

// endpoints returns the two ends of a tunnel.
func endpoints(t *testing.T, addr netip.Addr) (client, server *net.UDPConn) {
	t.Helper()
	to := net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, port))
	server, err := net.ListenUDP("udp", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	client, err = net.DialUDP("udp", nil, to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client, server
}

func testComplains(t *testing.T, program string) {
	for _, test := range []struct {
		args []string
		want string // part of standard error
	}{
		{nil, "list some with -vni"},
		{[]string{"-vni", "16777216"}, "want comma-separated numbers from 0 to 16777215"},
		{[]string{"-vni", "5", "-queue", "65536"}, "want a number from 0 to 65535"},
		{[]string{"-vni", "5", "6"}, `unexpected argument "6"`},
	} {
		p := testutil.Start(t, program, test.args...)
		if got := p.Wait(t); got != 2 || !strings.Contains(p.Stderr.String(), test.want) {
			t.Errorf("%q: exit status %d, complaints %q, want 2 and %q", test.args, got, &p.Stderr, test.want)
		}
	}
}
