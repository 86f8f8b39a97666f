package main

import (
	"fmt"
	"maps"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ipqueue/ipqueue/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m) }

// start starts the program on queue 0, and returns it with a client and a
// server of the family, between which the packets are queued.
func start(t *testing.T, program, family string, args ...string) (p *testutil.Process, client, server *net.UDPConn) {
	t.Helper()
	testutil.FeedUDP(t, 0)
	p = testutil.Start(t, program, args...)
	p.Stdout.Await(t, "netem: ") // Open has returned, so an interrupt does not make it fail
	lo := testutil.Loopback(t)
	addr := lo.IPv6
	if family == "IPv4" {
		addr = lo.IPv4
	}
	client, server = testutil.UDP(t, lo.NS, lo.NS, addr)
	return p, client, server
}

// send sends n datagrams that contain their numbers, and waits until they are
// queued.
func send(t *testing.T, client *net.UDPConn, n int) {
	t.Helper()
	for i := range n {
		if _, err := fmt.Fprint(client, i); err != nil {
			t.Fatal(err)
		}
	}
}

// wantLine checks a line of the report.
func wantLine(t *testing.T, p *testutil.Process, name string, value any) {
	t.Helper()
	line := regexp.MustCompile(fmt.Sprintf(`(?m)^%s +%v$`, name, value))
	if got := p.Stdout.String(); !line.MatchString(got) {
		t.Errorf("the report has no line %q with %v:\n%s", name, value, got)
	}
}

func TestNetem(t *testing.T) {
	testutil.RequireKernel(t)
	program := testutil.Build(t)
	t.Run("loses", func(t *testing.T) { testLoses(t, program) })
	t.Run("delays", func(t *testing.T) { testDelays(t, program) })
	t.Run("duplicates", func(t *testing.T) { testDuplicates(t, program) })
	t.Run("corrupts", func(t *testing.T) { testCorrupts(t, program) })
	t.Run("holds few", func(t *testing.T) { testHoldsFew(t, program) })
	t.Run("unread", func(t *testing.T) { testUnread(t, program) })
	t.Run("fails", func(t *testing.T) { testFails(t, program) })
}

// testUnread checks that packets pass and the program ends even if its output
// is not read.
func testUnread(t *testing.T, program string) {
	testutil.FeedUDP(t, 3)
	testutil.WantUnread(t, program, 3, func() {
		lo := testutil.Loopback(t)
		client, server := testutil.UDP(t, lo.NS, lo.NS, lo.IPv6)
		testutil.EchoUDP(t, client, server, []byte("unread"))
	})
}

// testLoses checks that the seed determines which packets are lost.
func testLoses(t *testing.T, program string) {
	const n = 100
	p, client, server := start(t, program, "IPv6", "-loss", "40%", "-seed", "5")
	send(t, client, n)
	lost := 0
	for i, f := range fates(network{seed: 5, loss: 0.4}, n) {
		if f.lost {
			lost++
			continue
		}
		if got := string(testutil.Receive(t, server)); got != fmt.Sprint(i) {
			t.Fatalf("received %s, want %d", got, i)
		}
	}
	p.Interrupt(t)
	wantLine(t, p, "arrived", n)
	wantLine(t, p, "lost", lost)
	wantLine(t, p, "passed", n-lost)
	if got := p.Stdout.String(); !strings.HasPrefix(got, "netem: queue 0, seed 5\n") {
		t.Errorf("printed %q, want the seed first", got)
	}
}

func testDelays(t *testing.T, program string) {
	const delay = 30 * time.Millisecond
	p, client, server := start(t, program, "IPv6", "-delay", delay.String())
	begin := time.Now()
	testutil.EchoUDP(t, client, server, []byte("there and back"))
	if took := time.Since(begin); took < 2*delay {
		t.Errorf("there and back in %v, want %v or more", took, 2*delay)
	}
	p.Interrupt(t)
	wantLine(t, p, "passed", 2)
}

// testDuplicates checks that a packet and its duplicate arrive, and that a
// duplicate is not duplicated.
func testDuplicates(t *testing.T, program string) {
	for _, family := range []string{"IPv4", "IPv6"} {
		t.Run(family, func(t *testing.T) {
			p, client, server := start(t, program, family, "-duplicate", "100%")
			send(t, client, 3)
			got := map[string]int{}
			for range 6 {
				got[string(testutil.Receive(t, server))]++
			}
			if want := (map[string]int{"0": 2, "1": 2, "2": 2}); !maps.Equal(got, want) {
				t.Errorf("received %v, want %v", got, want)
			}
			p.Interrupt(t)
			wantLine(t, p, "arrived", 3)
			wantLine(t, p, "duplicated", 3)
		})
	}
}

// testCorrupts checks that the kernel of the receiver drops corrupted packets.
func testCorrupts(t *testing.T, program string) {
	for _, family := range []string{"IPv4", "IPv6"} {
		t.Run(family, func(t *testing.T) {
			p, client, server := start(t, program, family, "-corrupt", "100%")
			send(t, client, 10)
			p.Interrupt(t)
			if strings.Contains(p.Stdout.String(), "not corrupted  10\n") {
				testutil.Lacks(t, testutil.Replacements, "no packet was corrupted")
			}
			wantLine(t, p, "corrupted", 10)
			_ = server.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
			if n, err := server.Read(make([]byte, 100)); err == nil {
				t.Errorf("a corrupted datagram of %d bytes arrived", n)
			}
		})
	}
}

// testHoldsFew checks that the kernel drops packets above the limit, and that
// held packets pass at the end.
func testHoldsFew(t *testing.T, program string) {
	p, client, server := start(t, program, "IPv6", "-delay", "1h", "-limit", "2")
	send(t, client, 5)
	p.Interrupt(t)
	for want := range 2 {
		if got := string(testutil.Receive(t, server)); got != fmt.Sprint(want) {
			t.Errorf("received %s, want %d", got, want)
		}
	}
	wantLine(t, p, "passed", 2)
	wantLine(t, p, "most held", 2)
	wantLine(t, p, "over the limit", 3)
}

func testFails(t *testing.T, program string) {
	testutil.WantFailure(t, program, 2, "want 0% to 100%", "-loss", "200%")
	testutil.WantFailure(t, program, 2, "want a number from 0 to 65535", "-queue", "65536")
	owner := testutil.Start(t, program)
	testutil.AwaitOwner(t, 0)
	testutil.WantFailure(t, program, 1, "taken by program (process")
	owner.Interrupt(t)
}
