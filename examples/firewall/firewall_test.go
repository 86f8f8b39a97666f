package main

import (
	"context"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipqueue/ipqueue/internal/testutil"
	"github.com/ipqueue/ipqueue/queue"
	"github.com/ipqueue/ipqueue/queue/queuetest"
)

// simulate runs the program with the policy on a simulated kernel.
func simulate(t *testing.T, k *queuetest.Kernel, o options, text string) (out *testutil.Output, file string, reload chan<- os.Signal) {
	t.Helper()
	o.file = filepath.Join(t.TempDir(), "policy")
	writePolicy(t, o.file, text)
	signals := make(chan os.Signal, 1)
	out = new(testutil.Output)
	k.Go(func(ctx context.Context) error { return run(ctx, o, signals, out) })
	return out, o.file, signals
}

// standard returns the default options.
func standard() options {
	o, _ := parseLine("")
	return o
}

func segment(port int) queuetest.Packet {
	return queuetest.TCP("192.0.2.1:40000", fmt.Sprintf("192.0.2.2:%d", port), queuetest.TCPHeader{Flags: queuetest.SYN}, nil)
}

// TestMarksOfOthersSurvive checks that the firewall changes only its own bits
// of a mark.
func TestMarksOfOthersSurvive(t *testing.T) {
	for _, other := range []uint32{0, 0xca6c, 0x100, 0xffff0000, 0x80000000} {
		for _, test := range []struct {
			accepted, rejected mark
		}{
			{mark{1, 1}, mark{2, 2}},
			{mark{0x10, 0x30}, mark{0x20, 0x30}},
			{mark{0x2000, 0x2000}, mark{0x1000, 0x1000}},
		} {
			if test.accepted.on(other) || other&(test.accepted.mask|test.rejected.mask) != 0 {
				continue
			}
			t.Run(fmt.Sprintf("%#x, %v", other, test.accepted), func(t *testing.T) {
				k := queuetest.New(t, queuetest.Options{})
				o := standard()
				o.accepted, o.rejected = test.accepted, test.rejected
				simulate(t, k, o, "accept tcp to port 443\nreject tcp to port 25\ndefault drop\n")
				for port, set := range map[int]uint32{443: test.accepted.value, 25: test.rejected.value} {
					p := segment(port)
					p.Mark, p.PassMark = other, other|set
					k.Send(p).WantMark(other | set)
				}
				k.Send(segment(80)).WantDropped()
			})
		}
	}
}

// TestEndTellsTheRest checks that the packets of the last second that were not shown
// are counted.
func TestEndTellsTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := queuetest.New(t, queuetest.Options{})
		o := standard()
		o.log, o.file = 2, filepath.Join(t.TempDir(), "policy")
		writePolicy(t, o.file, "default drop\n")
		out := new(testutil.Output)
		p := k.Go(func(ctx context.Context) error { return run(ctx, o, nil, out) })
		for range 5 {
			k.Send(segment(80)).WantDropped()
		}
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
		if want := "... 3 more not shown\nfirewall: 0 accepted, 5 dropped, 0 rejected\n"; !strings.HasSuffix(out.String(), want) {
			t.Errorf("printed %q, want %q at the end", out, want)
		}
	})
}

// TestCameBack sends packets that are queued again after their verdict, because
// the rules ignore the marks. The firewall must not repeat them forever.
func TestCameBack(t *testing.T) {
	k := queuetest.New(t, queuetest.Options{})
	out, _, _ := simulate(t, k, standard(), "reject udp\ndefault accept\n")
	k.Send(segment(1)).WantAccepted()
	out.Await(t, "an accepted packet came back: the rules before the queue ignore mark 0x1/0x1")
	k.Send(queuetest.UDP("192.0.2.1:1", "192.0.2.2:1", nil)).WantDropped()
}

func TestWithoutMarks(t *testing.T) {
	k := queuetest.New(t, queuetest.Options{Backend: queue.IPQueue})
	o := standard()
	o.accepted = mark{}
	simulate(t, k, o, "accept tcp to port 443\ndefault drop\n")
	k.Send(segment(443)).WantAccepted()
	k.Send(segment(80)).WantDropped()
}

// TestMarksNeedNFQueue uses marks with ip_queue, which has none.
func TestMarksNeedNFQueue(t *testing.T) {
	for text, accepted := range map[string]mark{"default accept": {1, 1}, "default reject": {}} {
		k := queuetest.New(t, queuetest.Options{Backend: queue.IPQueue})
		o := standard()
		o.accepted, o.file = accepted, filepath.Join(t.TempDir(), "policy")
		writePolicy(t, o.file, text)
		err := k.Go(func(ctx context.Context) error { return run(ctx, o, nil, io.Discard) }).Wait()
		if err == nil || !strings.Contains(err.Error(), "ip_queue cannot mark packets") {
			t.Errorf("%s, -mark %v: %v, want that ip_queue cannot mark packets", text, accepted, err)
		}
	}
}

// TestConditionsOfPackets checks conditions for interfaces and ICMP types.
func TestConditionsOfPackets(t *testing.T) {
	k := queuetest.New(t, queuetest.Options{})
	o := standard()
	o.accepted = mark{}
	simulate(t, k, o, "accept in eth1\naccept icmp type echo-request\naccept icmpv6 type echo-request\ndefault drop\n")
	p := segment(80)
	p.Hook, p.In = queue.HookInput, "eth1"
	k.Send(p).WantAccepted()
	p.In = "eth2"
	k.Send(p).WantDropped()
	k.Send(queuetest.EchoRequest("192.0.2.1", "192.0.2.2", 1, 1, nil)).WantAccepted()
	k.Send(queuetest.EchoReply("192.0.2.1", "192.0.2.2", 1, 1, nil)).WantDropped()
	k.Send(queuetest.EchoRequest("2001:db8::1", "2001:db8::2", 1, 1, nil)).WantAccepted()
	k.Send(queuetest.EchoReply("2001:db8::1", "2001:db8::2", 1, 1, nil)).WantDropped()
	solicitation := append([]byte{135, 0, 0, 0, 0, 0, 0, 0}, make([]byte, 16)...)
	k.Send(queuetest.IP("fe80::1", "ff02::1:ff00:2", icmp6, solicitation)).WantAccepted()
}

// TestDropsAreTold checks that the firewall prints dropped packets with the
// reason, and of many only their number.
func TestDropsAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := queuetest.New(t, queuetest.Options{})
		o := standard()
		o.log = 3
		out, _, _ := simulate(t, k, o, "drop tcp to port 1\naccept in lo\naccept out lo\naccept udp\naccept tcp to port 22\ndefault drop\n")
		k.Send(segment(1)).WantDropped()
		for range 9 {
			k.Send(segment(2)).WantDropped()
		}
		time.Sleep(time.Second)
		synctest.Wait()
		const want = "firewall: 5 rules, queue 0\n" +
			"dropped   TCP 192.0.2.1:40000 > 192.0.2.2:1 (line 1)\n" +
			"dropped   TCP 192.0.2.1:40000 > 192.0.2.2:2 (default)\n" +
			"dropped   TCP 192.0.2.1:40000 > 192.0.2.2:2 (default)\n" +
			"... 7 more not shown\n"
		if got := out.String(); got != want {
			t.Errorf("printed\n%swant\n%s", got, want)
		}
	})
}

// TestWatch checks that with -watch a change of the file takes effect, even if
// only a link to the file changes.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := queuetest.New(t, queuetest.Options{})
		o := standard()
		o.watch, o.accepted = true, mark{}
		out, file, _ := simulate(t, k, o, "default accept\n")
		k.Send(segment(1)).WantAccepted()

		writePolicy(t, file, "nonsense\n")
		time.Sleep(2 * pause)
		synctest.Wait()
		k.Send(segment(1)).WantAccepted()

		other := file + ".new"
		writePolicy(t, other, "drop tcp\ndefault accept\n")
		link := file + ".link"
		if err := os.Symlink(other, link); err != nil {
			testutil.Lacks(t, "symbolic links", err)
		}
		if err := os.Rename(link, file); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * pause)
		synctest.Wait()
		k.Send(segment(1)).WantDropped()
		synctest.Wait()

		want := "firewall: 0 rules, queue 0\nfirewall: nothing changed: " + file +
			":1: want accept, drop or reject, not \"nonsense\"\nfirewall: now 1 rule\ndropped "
		if got := out.String(); !strings.HasPrefix(got, want) {
			t.Errorf("printed\n%swant\n%s", got, want)
		}
	})
}

// TestWatchFromTheStart checks that a change before the first look at the file
// is noticed.
func TestWatchFromTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "policy")
		writePolicy(t, file, "default accept\n")
		changed := changes(t.Context(), options{file: file, watch: true})
		writePolicy(t, file, "default drop\n")
		select {
		case <-changed:
		case <-time.After(2 * pause):
			t.Error("the change was not seen")
		}
	})
}

func TestHTTP(t *testing.T) {
	var metrics string
	synctest.Test(t, func(t *testing.T) {
		k := queuetest.New(t, queuetest.Options{})
		f := &firewall{policy: parsePolicy(t, "accept tcp to port 1\nreject tcp to port 2\ndefault drop")}
		get := func(path string) (int, string) {
			w := httptest.NewRecorder()
			f.handler().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
			return w.Code, w.Body.String()
		}
		if code, _ := get("/healthz"); code != 503 {
			t.Errorf("healthy before the queue is open: %d, want 503", code)
		}
		q := k.Open(queue.Config{})
		f.queue.Store(q)
		f.alive.Store(time.Now().UnixNano())
		f.lost.printf = func(string, ...any) {}
		for port := range 3 {
			s := k.Send(segment(port))
			f.decide(<-q.Packets())
			s.Wait()
		}
		synctest.Wait()
		if code, body := get("/healthz"); code != 200 || body != "ok\n" {
			t.Errorf("/healthz: %d %q, want 200 ok", code, body)
		}
		if code, body := get("/"); code != 200 || !strings.HasPrefix(body, "firewall: 1 accepted, 1 dropped, 1 rejected\n") {
			t.Errorf("/: %d %q", code, body)
		}
		for _, want := range []string{
			"\nfirewall_packets_total{action=\"drop\"} 1\n", "\nfirewall_packets_total{action=\"reject\"} 1\n",
			"\nfirewall_lost_packets_total{full=\"queue\"} 0\n", "\nfirewall_undecided_packets 0\n",
		} {
			if _, metrics = get("/metrics"); !strings.Contains(metrics, want) {
				t.Errorf("/metrics lacks %q:\n%s", want, metrics)
			}
		}
		if code, _ := get("/other"); code != 404 {
			t.Errorf("/other: %d, want 404", code)
		}
		time.Sleep(silence + time.Second)
		if code, body := get("/healthz"); code != 503 || body != "the loop has not run for 11s\n" {
			t.Errorf("/healthz of a firewall that hangs: %d %q", code, body)
		}
	})
	t.Run("promtool", func(t *testing.T) { checkMetrics(t, metrics) })
}

// checkMetrics checks names, types and help texts against the conventions of
// Prometheus.
func checkMetrics(t *testing.T, text string) {
	program, err := exec.LookPath("promtool")
	if err != nil {
		testutil.Lacks(t, testutil.Program("promtool"), err)
	}
	cmd := exec.Command(program, "check", "metrics")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool: %v\n%s\n%s", err, out, text)
	}
}
