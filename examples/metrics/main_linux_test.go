package main

import (
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ipqueue/ipqueue/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m) }

func TestMetrics(t *testing.T) {
	testutil.RequireKernel(t)
	program := testutil.Build(t)
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) { testServes(t, program, signal) })
	}
	t.Run("unread", func(t *testing.T) { testUnread(t, program) })
	t.Run("complains", func(t *testing.T) { testComplains(t, program) })
}

// testUnread checks that packets pass and the program ends even if its output
// is not read.
func testUnread(t *testing.T, program string) {
	testutil.FeedUDP(t, 3)
	testutil.WantUnread(t, program, 3, func() {
		lo := testutil.Loopback(t)
		client, server := testutil.UDP(t, lo.NS, lo.NS, lo.IPv6)
		testutil.EchoUDP(t, client, server, []byte("unread"))
	}, "-listen", "127.0.0.1:0")
}

func testServes(t *testing.T, program string, end os.Signal) {
	testutil.FeedUDP(t, 3)
	p := testutil.Start(t, program, "-queue", "3", "-listen", "127.0.0.1:0")
	_, url, _ := strings.Cut(strings.TrimSpace(p.Stdout.Await(t, "\n")), "queue 3, ")
	lo := testutil.Loopback(t)
	client, server := testutil.UDP(t, lo.NS, lo.NS, lo.IPv6)
	testutil.EchoUDP(t, client, server, []byte("count this"))
	// A packet may arrive before its verdict is counted.
	text := await(t, url, "\nipqueue_accepted_packets_total{queue=\"3\"} 2\n")
	for _, want := range []string{
		"\nipqueue_received_packets_total{queue=\"3\"} 2\n",
		"\nipqueue_missed_packets_total{queue=\"3\"} 0\n",
		"\nipqueue_kernel_up{queue=\"3\"} 1\n",
		"\nipqueue_kernel_queued_packets_total{queue=\"3\"} 2\n",
		"\n# HELP ipqueue_received_packets_total Packets read from the kernel.\n",
		"\nprocess_cpu_seconds_total ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("not served: %q, but:\n%s", want, text)
		}
	}
	checkMetrics(t, text)
	if got := get(t, strings.TrimSuffix(url, "metrics")); !strings.Contains(got, "<h1>Queue 3</h1>") || !strings.Contains(got, `href="/metrics"`) {
		t.Errorf("the page at / is %q, want the queue's number and the way to /metrics", got)
	}
	p.Signal(t, end)
	if got := p.Wait(t); got != 0 || p.Stderr.String() != "" {
		t.Errorf("exit status %d and complaints %q, want 0 and none", got, &p.Stderr)
	}
}

// await repeats the request until the response contains the text.
func await(t *testing.T, url, text string) string {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; {
		got := get(t, url)
		if strings.Contains(got, text) {
			return got
		}
		if time.Now().After(end) {
			t.Fatalf("not served: %q, but:\n%s", text, got)
		}
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	defer http.DefaultClient.CloseIdleConnections()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", url, r.Status, err)
	}
	return string(b)
}

func testComplains(t *testing.T, program string) {
	for _, test := range []struct {
		args   []string
		status int
		want   string // part of standard error
	}{
		{[]string{"-queue", "65536"}, 2, "65536"},
		{[]string{"all"}, 2, `unexpected argument "all"`},
		{[]string{"-listen", "nowhere"}, 1, "-listen: listen tcp: address nowhere: missing port"},
		{[]string{"-listen", ""}, 2, "want an address after -listen"},
	} {
		testutil.WantFailure(t, program, test.status, test.want, test.args...)
	}
}
