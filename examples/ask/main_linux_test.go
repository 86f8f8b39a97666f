package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/ipqueue/ipqueue/internal/netns"
	"github.com/ipqueue/ipqueue/internal/testutil"
)

// patience is the longest time that the tests wait for an expected event.
const patience = 20 * time.Second

// A person uses the program on the real kernel.
type person struct {
	t   *testing.T
	in  io.WriteCloser
	out *testutil.Output
}

// start runs the program until the end of the test.
func start(t *testing.T, args string) *person {
	t.Helper()
	o, err := parseLine(args)
	if err != nil {
		t.Fatal(err)
	}
	in, keyboard := io.Pipe()
	p := &person{t, keyboard, new(testutil.Output)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, o, in, p.out) }()
	t.Cleanup(func() {
		cancel()
		in.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	p.out.Await(t, "ask: queue 0")
	return p
}

// enter types a line.
func (p *person) enter(line string) {
	p.t.Helper()
	if _, err := io.WriteString(p.in, line+"\n"); err != nil {
		p.t.Fatal(err)
	}
}

// awaitQuestion waits until the nth question has been shown. It must be about
// the address.
func (p *person) awaitQuestion(n int, about net.Addr) {
	p.t.Helper()
	testutil.Await(p.t, fmt.Sprintf("question %d", n), func() bool { return strings.Count(p.out.String(), "?\n") >= n })
	p.wantQuestions(n)
	said := p.out.String()
	last, want := said[strings.LastIndex(said, "connect to "):], fmt.Sprintf("connect to %v:", about)
	if !strings.HasPrefix(last, want) {
		p.t.Fatalf("question %d is %q, want %q", n, last, want)
	}
}

func (p *person) wantQuestions(want int) {
	p.t.Helper()
	if got := strings.Count(p.out.String(), "?\n"); got != want {
		p.t.Fatalf("%d questions, want %d:\n%s", got, want, p.out)
	}
}

// listen returns a listener at the address. The test need not accept
// connections: the kernel completes them.
func listen(t *testing.T, addr netip.Addr) net.Addr {
	t.Helper()
	listener, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener.Addr()
}

// dial connects in another goroutine and sends the result to the channel. The
// end of the test cancels it.
func dial(t *testing.T, to net.Addr) <-chan error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	result, ended := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(ended)
		var d net.Dialer
		conn, err := d.DialContext(ctx, "tcp", to.String())
		if err == nil {
			conn.Close()
		}
		result <- err
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return result
}

func wantConnected(t *testing.T, result <-chan error) {
	t.Helper()
	if err := <-result; err != nil {
		t.Errorf("connect: %v, want success", err)
	}
}

// wantNone checks that an attempt to connect has no result yet.
func wantNone(t *testing.T, result <-chan error) {
	t.Helper()
	select {
	case err := <-result:
		t.Errorf("connect: %v, want no answer", err)
	default:
	}
}

// A gate counts the SYNs that are queued, and those that pass the queue.
type gate struct{ queued, passed *netns.Chain }

func newGate(t *testing.T) gate {
	t.Helper()
	testutil.RequireKernel(t)
	var own netns.Namespace
	table, err := own.AddTable(netns.Inet, "gate")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := table.Delete(); err != nil {
			t.Error(err)
		}
	})
	queued, err := table.AddChain(netns.Output, 0, netns.Rule{Protocol: netns.TCP, SYN: true, Action: netns.Enqueue})
	if err != nil {
		t.Fatal(err)
	}
	passed, err := table.AddChain(netns.Postrouting, 0, netns.Rule{Protocol: netns.TCP, SYN: true})
	if err != nil {
		t.Fatal(err)
	}
	return gate{queued, passed}
}

func count(t *testing.T, c *netns.Chain) uint64 {
	t.Helper()
	counts, err := c.Counts()
	if err != nil {
		t.Fatal(err)
	}
	return counts[0]
}

func (g gate) wantPassed(t *testing.T, want uint64) {
	t.Helper()
	if got := count(t, g.passed); got != want {
		t.Errorf("%d SYNs have passed, want %d", got, want)
	}
}

func TestKernelAnswers(t *testing.T) {
	for i, name := range []string{"IPv4", "IPv6"} {
		t.Run(name, func(t *testing.T) {
			g := newGate(t)
			p := start(t, "")
			addr := testutil.Loopback(t).Addrs()[i]
			good, bad := listen(t, addr), listen(t, addr)

			first := dial(t, good)
			p.awaitQuestion(1, good)
			p.out.Await(t, " SYN, ")
			p.out.Await(t, fmt.Sprintf(", uid %d\n", outerUID(t)))
			wantNone(t, first)
			g.wantPassed(t, 0)
			p.enter("yes")
			wantConnected(t, first)

			second := dial(t, good)
			p.awaitQuestion(2, good)
			p.enter("a")
			wantConnected(t, second)
			wantConnected(t, dial(t, good))
			g.wantPassed(t, 3)

			refused := dial(t, bad)
			p.awaitQuestion(3, bad)
			p.enter("block")
			p.out.Await(t, fmt.Sprintf("dropped   %-22v  always", bad))
			again := dial(t, bad)
			testutil.Await(t, "the SYN", func() bool { return count(t, g.queued) >= 5 })
			wantConnected(t, dial(t, good)) // decided after the other SYN
			g.wantPassed(t, 4)
			wantNone(t, refused)
			wantNone(t, again)
			p.wantQuestions(3)
		})
	}
}

// outerUID returns the number that the test's user has in the initial user
// namespace.
func outerUID(t *testing.T) (uid int) {
	t.Helper()
	mapping, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		t.Fatal(err)
	}
	var inner int
	if _, err := fmt.Sscan(string(mapping), &inner, &uid); err != nil {
		t.Fatal(err)
	}
	return uid + os.Getuid() - inner
}

// TestKernelRetransmission checks that the program does not ask again when the
// SYN of a refused connection is retransmitted.
func TestKernelRetransmission(t *testing.T) {
	g := newGate(t)
	p := start(t, "")
	server := listen(t, testutil.Loopback(t).IPv4)
	refused := dial(t, server)
	p.awaitQuestion(1, server)
	p.enter("no")
	testutil.Await(t, "a retransmission", func() bool { return count(t, g.queued) >= 2 })
	second := dial(t, server) // queued after the retransmission
	p.awaitQuestion(2, server)
	p.enter("yes")
	wantConnected(t, second)
	g.wantPassed(t, 1)
	wantNone(t, refused)
}

// TestKernelSeveralQuestions checks that each of several waiting connections
// gets the answer to its own question.
func TestKernelSeveralQuestions(t *testing.T) {
	g := newGate(t)
	p := start(t, "")
	addr := testutil.Loopback(t).IPv4
	var servers []net.Addr
	var results []<-chan error
	for i := range 4 {
		servers = append(servers, listen(t, addr))
		results = append(results, dial(t, servers[i]))
		testutil.Await(t, "the SYN", func() bool { return count(t, g.queued) == uint64(i+1) })
	}
	for i, line := range []string{"yes", "no", "always", "block"} {
		p.awaitQuestion(i+1, servers[i])
		p.enter(line)
	}
	wantConnected(t, results[0])
	wantConnected(t, results[2])
	p.out.Await(t, fmt.Sprintf("dropped   %-22v  always", servers[3]))
	g.wantPassed(t, 2)
	wantNone(t, results[1])
	wantNone(t, results[3])
}

func TestKernelTimeout(t *testing.T) {
	g := newGate(t)
	p := start(t, "-wait 100ms")
	server := listen(t, testutil.Loopback(t).IPv4)
	result := dial(t, server)
	p.out.Await(t, "no answer in 100ms  packets: 1")
	g.wantPassed(t, 0)
	wantNone(t, result)
}

func TestKernelTooLate(t *testing.T) {
	g := newGate(t)
	p := start(t, "-wait 100ms -default accept")
	server := listen(t, testutil.Loopback(t).IPv4)
	for !strings.Contains(p.out.String(), "?\n") { // a slow program may not get to ask before the deadline
		wantConnected(t, dial(t, server))
	}
	passed := count(t, g.passed)
	p.enter("no")
	p.out.Await(t, fmt.Sprintf("too late  %-22v  accepted after 100ms", server))
	wantConnected(t, dial(t, server))
	g.wantPassed(t, passed+1)
}

func TestKernelEndOfInput(t *testing.T) {
	g := newGate(t)
	p := start(t, "-default accept")
	server := listen(t, testutil.Loopback(t).IPv4)
	held := dial(t, server)
	p.awaitQuestion(1, server)
	p.in.Close()
	wantConnected(t, held)
	wantConnected(t, dial(t, server))
	g.wantPassed(t, 2)
	p.out.Await(t, "end of input: connections without an answer are accepted")
	p.wantQuestions(1)
}

// TestKernelInterrupt checks that Ctrl-C ends the program, even while it reads,
// and that waiting packets get the default.
func TestKernelInterrupt(t *testing.T) {
	program := testutil.Build(t)
	for _, standard := range []string{"accept", "drop"} {
		t.Run(standard, func(t *testing.T) {
			g := newGate(t)
			cmd := exec.Command(program, "-default", standard)
			keyboard, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			defer keyboard.Close()
			p := testutil.StartCmd(t, cmd)
			p.Stdout.Await(t, "ask: queue 0")
			held := dial(t, listen(t, testutil.Loopback(t).IPv4))
			p.Stdout.Await(t, "block?")
			p.Interrupt(t)
			p.Stdout.Await(t, "without an answer, 1 at the end")
			if standard == "accept" {
				wantConnected(t, held)
				return
			}
			g.wantPassed(t, 0)
			wantNone(t, held)
		})
	}
}

// TestDocumentedRules uses the rules of the package comment. A client whose SYN
// is dropped gets no error; it waits until its own timeout.
func TestDocumentedRules(t *testing.T) {
	testutil.FeedAsDocumented(t, "main.go")
	p := start(t, "")
	for i, addr := range testutil.Loopback(t).Addrs() {
		server := listen(t, addr)
		result := dial(t, server)
		p.awaitQuestion(2*i+1, server)
		p.enter("yes")
		wantConnected(t, result)

		d := net.Dialer{Timeout: 50 * time.Millisecond}
		var timeout net.Error
		if _, err := d.Dial("tcp", server.String()); !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("connect without an answer: %v, want a timeout", err)
		}
		p.awaitQuestion(2*i+2, server)
		p.enter("block")
		p.out.Await(t, fmt.Sprintf("dropped   %-22v  always", server))
	}
}
