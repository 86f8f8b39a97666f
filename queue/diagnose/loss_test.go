package diagnose_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/queue"
	"github.com/ipqueue/ipqueue/queue/diagnose"
)

// inject sends n packets to queue 7.
func (h *host) inject(n int) {
	for range n {
		h.Inject(kerneltest.Packet{Payload: make([]byte, 28), Queue: 7})
	}
}

// Waiting and lost packets are reported, with a lower severity for other queues.
func TestRunLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(kerneltest.Options{}, "")
		h.files["/proc/4711/comm"] = []byte("firewall\n")
		q := h.open(t, queue.Config{Number: 7, QueueLength: 2, Mode: queue.MetaOnly})
		h.inject(5)
		own, other := h.run(queue.Config{Number: 7}), h.run(queue.Config{Number: 8})
		wantFinding(t, own, diagnose.Warning, diagnose.AboutLoss, "Queue 7 was full and has lost 3 packets", "Config.QueueLength")
		wantFinding(t, own, diagnose.Warning, diagnose.AboutLoss, "Queue 7 has 2 packets waiting, and netlink port 4711 (process 4711, firewall) has decided none within a second")
		wantFinding(t, own, diagnose.Good, diagnose.AboutQueue, "Queue 7 belongs to netlink port 4711 (process 4711, firewall), in mode MetaOnly")
		wantFinding(t, other, diagnose.Note, diagnose.AboutQueue, "Queue 7 belongs to")
		wantFinding(t, other, diagnose.Warning, diagnose.AboutLoss, "Queue 7 has 2 packets waiting")
		wantFinding(t, h.run(queue.Config{NetNS: 3}), diagnose.Note, diagnose.AboutQueue, "Queue 7 belongs to netlink port 4711, in mode MetaOnly")

		if err := q.SetMode(context.Background(), queue.DropAll); err != nil {
			t.Fatal(err)
		}
		wantFinding(t, h.run(queue.Config{Number: 7}), diagnose.Fault, diagnose.AboutQueue, "mode DropAll")
		wantFinding(t, h.run(queue.Config{Number: 8}), diagnose.Warning, diagnose.AboutQueue, "mode DropAll")
	})
}

// A full socket is told apart from a full queue.
func TestRunSocketFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(kerneltest.Options{}, "")
		h.open(t, queue.Config{Number: 7, ReadBuffer: 4096})
		h.inject(1000)
		wantFinding(t, h.run(queue.Config{Number: 7}), diagnose.Warning, diagnose.AboutLoss, "The socket of queue 7 was full and has lost", "Config.ReadBuffer")
	})
}

// The changes between two checks show whether a program decides packets.
func TestRunLooksTwice(t *testing.T) {
	for _, tt := range []struct {
		name    string
		waiting int // packets in the queue at first
		between func(h *host, q *queue.Queue)
		want    diagnose.Severity
		words   string
	}{
		{"nothing happens", 2, func(*host, *queue.Queue) {}, diagnose.Warning, "Queue 7 has 2 packets waiting, and netlink port 4711 has decided none"},
		{"more come", 2, func(h *host, _ *queue.Queue) { h.inject(3) }, diagnose.Warning, "Queue 7 has 5 packets waiting, and netlink port 4711 has decided none"},
		{"one is decided", 2, func(_ *host, q *queue.Queue) { (<-q.Packets()).Accept() }, diagnose.Note, "Queue 7 has 1 packet waiting for a verdict"},
		{"one is decided, one comes", 2, func(h *host, q *queue.Queue) { (<-q.Packets()).Accept(); h.inject(1) }, diagnose.Note, "Queue 7 has 2 packets waiting for a verdict"},
		{"many are decided, many wait", 1025, func(_ *host, q *queue.Queue) { (<-q.Packets()).Accept() }, diagnose.Warning, "Queue 7 has 1024 packets waiting for a verdict"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHost(kerneltest.Options{}, "")
				q := h.open(t, queue.Config{Number: 7})
				h.inject(tt.waiting)
				time.AfterFunc(time.Second/2, func() { tt.between(h, q) })
				r := h.run(queue.Config{Number: 7})
				wantFinding(t, r, tt.want, diagnose.AboutLoss, tt.words)
				wantAbout(t, r, diagnose.AboutLoss, 1)
			})
		})
	}
}

// Without waiting packets there is no second check.
func TestRunLooksOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(kerneltest.Options{}, "")
		h.open(t, queue.Config{Number: 7})
		start := time.Now()
		wantAbout(t, h.run(queue.Config{Number: 7}), diagnose.AboutLoss, 0)
		if took := time.Since(start); took != 0 {
			t.Errorf("Run took %v, want no time", took)
		}
	})
}

// The end of the context ends the wait.
func TestRunEndsBetweenLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(kerneltest.Options{}, "")
		h.open(t, queue.Config{Number: 7})
		h.inject(1)
		ctx, cancel := context.WithTimeout(h.ctx(), time.Second/2)
		defer cancel()
		r := diagnose.Run(ctx, queue.Config{Number: 7})
		wantFinding(t, r, diagnose.Unseen, diagnose.AboutLoss, context.DeadlineExceeded.Error())
		wantFinding(t, r, diagnose.Note, diagnose.AboutLoss, "Queue 7 has 1 packet waiting for a verdict")
	})
}

// A program that is stopped decides nothing, whether or not packets wait yet.
func TestRunStopped(t *testing.T) {
	for state, want := range map[string]diagnose.Severity{
		"S (sleeping)": diagnose.Good, "R (running)": diagnose.Good,
		"T (stopped)": diagnose.Fault, "t (tracing stop)": diagnose.Fault,
	} {
		h := newHost(kerneltest.Options{}, "")
		h.files["/proc/4711/comm"] = []byte("firewall\n")
		h.files["/proc/4711/status"] = []byte("Name:\tfirewall\nState:\t" + state + "\n")
		h.open(t, queue.Config{Number: 7})
		r := h.run(queue.Config{Number: 7})
		words := "Queue 7 belongs to netlink port 4711 (process 4711, firewall)"
		if want == diagnose.Fault {
			words += ", which is stopped, by SIGSTOP or by a debugger; continue it (kill -CONT 4711)"
		}
		wantFinding(t, r, want, diagnose.AboutQueue, words)
	}
}
