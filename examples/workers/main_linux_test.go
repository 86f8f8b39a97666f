package main

import (
	"fmt"
	"io"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ipqueue/ipqueue/internal/netns"
	"github.com/ipqueue/ipqueue/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m) }

func TestParse(t *testing.T) {
	got, err := parse([]string{"-queue", "65532", "-queues", "3", "-workers", "5"}, io.Discard)
	if want := (options{65532, 3, 5}); err != nil || got != want {
		t.Errorf("parse = %+v, %v, want %+v", got, err, want)
	}
	if got, err := parse(nil, io.Discard); err != nil || got.queues != 4 || got.workers < 1 {
		t.Errorf("parse = %+v, %v, want 4 queues and some workers", got, err)
	}
	for _, args := range [][]string{
		{"argument"}, {"-queue", "-1"}, {"-queues", "0"}, {"-workers", "0"}, {"-workers", "1001"}, {"-workers", "x"},
	} {
		if _, err := parse(args, io.Discard); err == nil {
			t.Errorf("parse took %q", args)
		}
	}
}

func TestWorkers(t *testing.T) {
	testutil.RequireKernel(t)
	program := testutil.Build(t)
	t.Run("balance", func(t *testing.T) { testWorkers(t, program, netns.Queue{First: 5, Last: 8}) })
	t.Run("fanout", func(t *testing.T) { testWorkers(t, program, netns.Queue{First: 5, Last: 8, Fanout: true}) })
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
	}, "-queues", "1")
}

// testWorkers sends packets between many pairs of addresses, so that the
// kernel's hash selects several queues.
func testWorkers(t *testing.T, program string, queues netns.Queue) {
	const talks, echoes = 32, 5
	testutil.Feed(t, netns.Rule{Protocol: netns.UDP, Action: netns.Enqueue, Queue: queues})
	p := testutil.Start(t, program, "-queue", "5", "-workers", "3")
	for number := queues.First; number <= queues.Last; number++ {
		testutil.AwaitOwner(t, number)
	}
	lo := testutil.Loopback(t)
	for i := range talks {
		client, server := testutil.UDP(t, lo.NS, lo.NS, netip.AddrFrom4([4]byte{127, 0, 1, byte(i)}))
		for j := range echoes {
			testutil.EchoUDP(t, client, server, fmt.Appendf(nil, "%d", j))
		}
	}
	p.Interrupt(t)
	wantReport(t, p.Stdout.String(), talks, 2*talks*echoes)
	if got := p.Stderr.String(); got != "" {
		t.Errorf("complaints %q, want none", got)
	}
}

// workerLine matches the line of one worker in the report.
var workerLine = regexp.MustCompile(`(?m)^ +\d (.*)$`)

// wantReport checks that the sums over the workers are right.
func wantReport(t *testing.T, report string, talks, packets int) {
	t.Helper()
	var sum, want [4]int // packets, bytes, failed, conversations
	want = [4]int{packets, packets * (20 + 8 + 1), 0, talks}
	lines := workerLine.FindAllStringSubmatch(report, -1)
	for _, line := range lines {
		for i, field := range strings.Fields(line[1]) {
			var n int
			if _, err := fmt.Sscan(field, &n); err != nil {
				t.Fatal(err)
			}
			sum[i] += n
		}
	}
	if len(lines) != 3 || sum != want {
		t.Errorf("%d workers have together %d packets, bytes, failures, conversations, want 3 with %d\n%s", len(lines), sum, want, report)
	}
	statistics := strings.Fields(report)
	if !slices.Contains(statistics, fmt.Sprintf("accepted=%d", packets)) {
		t.Errorf("the statistics do not say that %d were accepted:\n%s", packets, report)
	}
}

func testFails(t *testing.T, program string) {
	testutil.WantFailure(t, program, 2, "-workers must be from 1 to 1000", "-workers", "0")
	testutil.WantFailure(t, program, 2, "-queues must be from 1 to 4", "-queue", "65532", "-queues", "5")
	owner := testutil.Start(t, program, "-queues", "1", "-queue", "3")
	testutil.AwaitOwner(t, 3)
	testutil.WantFailure(t, program, 1, "taken by program (process")
	owner.Interrupt(t)
}
