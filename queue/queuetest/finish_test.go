package queuetest_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/ipqueue/ipqueue/queue"
	"github.com/ipqueue/ipqueue/queue/queuetest"
)

// TestEnd checks what may remain at the end of a test, and what fails it.
func TestEnd(t *testing.T) {
	leave := func(q *queue.Queue) { <-q.Packets() }
	bypass := hello
	bypass.Bypass = true
	for name, test := range map[string]struct {
		options queuetest.Options
		test    func(k *queuetest.Kernel)
		want    []string
	}{
		"nothing": {test: func(*queuetest.Kernel) {}},
		"decided, not looked at": {test: func(k *queuetest.Kernel) {
			decide(k, queue.Config{}, always(drop))
			k.Send(hello)
		}},
		"undecided": {
			test: func(k *queuetest.Kernel) { q := k.Open(queue.Config{}); k.Send(hello); leave(q) },
			want: []string{"packet 1 (UDP 10.0.0.1:5000 > 10.0.0.2:53, 33 bytes), sent at finish_test.go:…, still waits for a verdict"},
		},
		"two of three undecided": {
			test: func(k *queuetest.Kernel) {
				decide(k, queue.Config{}, func(p queue.Packet) queue.Verdict {
					if p.ID == 2 {
						return accept
					}
					return none
				})
				k.Send(hello)
				k.Send(hello)
				k.Send(hello)
			},
			want: []string{"packet 1", "packet 3"},
		},
		"many undecided": {
			test: func(k *queuetest.Kernel) {
				q := k.Open(queue.Config{})
				for range 1000 {
					k.Send(hello)
				}
				leave(q)
			},
			want: append(slices.Repeat([]string{"still waits for a verdict"}, 10), "and 990 more not decided by a verdict"),
		},
		"allowed": {
			options: queuetest.Options{AllowUndecided: true},
			test:    func(k *queuetest.Kernel) { q := k.Open(queue.Config{}); k.Send(hello); leave(q) },
		},
		"closed before the verdict": {
			test: func(k *queuetest.Kernel) { q := k.Open(queue.Config{}); k.Send(hello); q.Close() },
			want: []string{"was dropped by the kernel while it waited for a verdict: the queue was closed"},
		},
		"closed, as wanted": {
			test: func(k *queuetest.Kernel) {
				q := k.Open(queue.Config{})
				s := k.Send(hello)
				q.Close()
				s.Want(queuetest.Flushed)
			},
		},
		"closed, accepting": {
			test: func(k *queuetest.Kernel) {
				q := k.Open(queue.Config{OnClose: queue.Accept})
				s := k.Send(hello)
				q.Close()
				s.WantAccepted()
			},
		},
		"after the end, accepting": {
			test: func(k *queuetest.Kernel) {
				ctx, cancel := context.WithCancel(k.Context())
				q, err := queue.Open(ctx, queue.Config{OnClose: queue.Accept, Grace: -1})
				if err != nil {
					panic(err)
				}
				held := k.Send(hello)
				p := <-q.Packets()
				cancel()
				synctest.Wait()
				k.Send(hello)
				p.Accept()
				held.WantAccepted()
			},
			want: []string{"packet 2 (UDP 10.0.0.1:5000 > 10.0.0.2:53, 33 bytes), sent at finish_test.go:…, " +
				"passed without a verdict, because of Config.FailOpen, or of OnClose Accept after the end of the queue's context"},
		},
		"no queue": {
			test: func(k *queuetest.Kernel) { k.Send(hello) },
			want: []string{"no program had opened queue 0 (opened: none)"},
		},
		"queue too short": {
			test: func(k *queuetest.Kernel) {
				q := k.Open(queue.Config{QueueLength: 1})
				k.Send(hello)
				k.Send(hello)
				(<-q.Packets()).Accept()
			},
			want: []string{"packet 2 (UDP 10.0.0.1:5000 > 10.0.0.2:53, 33 bytes), sent at finish_test.go:…, was dropped by the kernel: the queue was full"},
		},
		"passed by the kernel": {
			test: func(k *queuetest.Kernel) { k.Send(bypass) },
			want: []string{"passed without a verdict, because of Packet.Bypass"},
		},
		"segment undecided": {
			test: func(k *queuetest.Kernel) {
				q := k.Open(queue.Config{NoGSO: true})
				p := queuetest.UDP("10.0.0.1:1", "10.0.0.2:2", make([]byte, 20))
				p.GSO = 10
				k.Send(p)
				(<-q.Packets()).Accept()
			},
			want: []string{"segment 2 of packet 1 (UDP 10.0.0.1:1 > 10.0.0.2:2, 38 bytes), sent at finish_test.go:…, still waits for a verdict"},
		},
		"queue left open": {
			test: func(k *queuetest.Kernel) {
				ctx := context.WithoutCancel(k.Context())
				if _, err := queue.Open(ctx, queue.Config{}); err != nil {
					panic(err)
				}
			},
			want: []string{"queues left open after 10s: 1"},
		},
		"program fails": {
			test: func(k *queuetest.Kernel) {
				k.Go(func(context.Context) error { return errors.New("no luck") })
			},
			want: []string{"the program returned: no luck"},
		},
		"program cancelled": {
			test: func(k *queuetest.Kernel) {
				k.Go(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			failing(t, func(t queuetest.TB) { test.test(queuetest.New(t, test.options)) }, test.want...)
		})
	}
}
