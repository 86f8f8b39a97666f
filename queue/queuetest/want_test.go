package queuetest_test

import (
	"testing"

	"github.com/ipqueue/ipqueue/queue"
	"github.com/ipqueue/ipqueue/queue/queuetest"
)

// TestWant gives each kind of verdict, and calls Want methods that match it and
// ones that do not.
func TestWant(t *testing.T) {
	other := queuetest.UDP("10.0.0.1:5000", "10.0.0.2:53", []byte("HELLO, again"))
	replace := queue.Verdict{Action: queue.Accept, Payload: other.Payload}
	requeue := queue.Verdict{Action: queue.Requeue, Number: 9}
	repeat := queue.Verdict{Action: queue.Repeat, Mark: 7}
	const packet = "packet 1 (UDP 10.0.0.1:5000 > 10.0.0.2:53, 33 bytes) "
	for name, test := range map[string]struct {
		verdict queue.Verdict
		want    func(s *queuetest.Sent)
		failure string // none if empty
	}{
		"accept accepted": {accept, (*queuetest.Sent).WantAccepted, ""},
		"accept dropped":  {accept, (*queuetest.Sent).WantDropped, packet + "was accepted; want Dropped"},
		"drop dropped":    {drop, (*queuetest.Sent).WantDropped, ""},
		"drop accepted":   {drop, (*queuetest.Sent).WantAccepted, packet + "was dropped by a verdict; want Accepted"},
		"nothing accepted": {none, (*queuetest.Sent).WantAccepted,
			packet + "still waits for a verdict after 10s"},
		"nothing dropped": {none, (*queuetest.Sent).WantDropped,
			packet + "still waits for a verdict after 10s"},
		"replace accepted": {replace, (*queuetest.Sent).WantAccepted,
			packet + "was accepted and replaced; want it unchanged\n" +
				"\tgot  UDP 10.0.0.1:5000 > 10.0.0.2:53, 40 bytes\n" +
				"\twant UDP 10.0.0.1:5000 > 10.0.0.2:53, 33 bytes\n" +
				"\tgot  0000  45 00 00 28"},
		"replace replaced": {replace, func(s *queuetest.Sent) { s.WantReplaced(other) }, ""},
		"replace by another": {replace, func(s *queuetest.Sent) { s.WantReplaced(hello) },
			packet + "was accepted and replaced by a different packet\n\tgot"},
		"accept replaced": {accept, func(s *queuetest.Sent) { s.WantReplaced(other) },
			packet + "was accepted unchanged; want it replaced by UDP 10.0.0.1:5000 > 10.0.0.2:53, 40 bytes"},
		"drop replaced": {drop, func(s *queuetest.Sent) { s.WantReplaced(other) },
			packet + "was dropped by a verdict; want it replaced by UDP 10.0.0.1:5000 > 10.0.0.2:53, 40 bytes"},
		"nothing replaced": {none, func(s *queuetest.Sent) { s.WantReplaced(other) }, packet + "still waits"},
		"stop stopped":     {queue.Verdict{Action: queue.Stop}, func(s *queuetest.Sent) { s.Want(queuetest.Stopped) }, ""},
		"stop accepted": {queue.Verdict{Action: queue.Stop}, (*queuetest.Sent).WantAccepted,
			packet + "was accepted with queue.Stop; want Accepted"},
		"mark": {queue.Verdict{Action: queue.Accept, Mark: 7}, func(s *queuetest.Sent) { s.WantMark(7) }, ""},
		"other mark": {queue.Verdict{Action: queue.Accept, Mark: 7}, func(s *queuetest.Sent) { s.WantMark(8) },
			packet + "was accepted with mark 0x7, want 0x8"},
		"drop mark": {drop, func(s *queuetest.Sent) { s.WantMark(8) },
			packet + "was dropped by a verdict; want it to pass with mark 0x8"},
		"nothing mark":    {none, func(s *queuetest.Sent) { s.WantMark(8) }, packet + "still waits"},
		"repeat repeated": {repeat, (*queuetest.Sent).WantRepeated, ""},
		"repeat accepted": {repeat, (*queuetest.Sent).WantAccepted, ""},
		"accept repeated": {accept, (*queuetest.Sent).WantRepeated,
			packet + "was accepted; want it repeated"},
		"requeue requeued": {requeue, func(s *queuetest.Sent) { s.WantRequeued(9) }, ""},
		"requeue another": {requeue, func(s *queuetest.Sent) { s.WantRequeued(8) },
			packet + "was requeued to queue 9 and was dropped by the kernel: no program had opened queue 9 (opened: 0); want it requeued to queue 8"},
		"nothing requeued": {none, func(s *queuetest.Sent) { s.WantRequeued(9) },
			packet + "still waits for a verdict; want it requeued to queue 9"},
	} {
		t.Run(name, func(t *testing.T) {
			var want []string
			if test.failure != "" {
				want = []string{test.failure}
			}
			failing(t, func(t queuetest.TB) {
				k := queuetest.New(t, queuetest.Options{})
				decide(k, queue.Config{}, always(test.verdict))
				p := hello
				p.PassMark = 7
				test.want(k.Send(p))
			}, want...)
		})
	}
}

// TestWantRepeatedEarly checks that WantRepeated does not wait for the fate of a
// packet that stays in the queue.
func TestWantRepeatedEarly(t *testing.T) {
	failing(t, func(t queuetest.TB) {
		k := queuetest.New(t, queuetest.Options{})
		first := true
		decide(k, queue.Config{}, func(queue.Packet) queue.Verdict {
			defer func() { first = false }()
			if first {
				return queue.Verdict{Action: queue.Repeat}
			}
			return none
		})
		k.Send(hello).WantRepeated()
	}, "packet 1 (UDP 10.0.0.1:5000 > 10.0.0.2:53, 33 bytes), sent at want_test.go:…, still waits for a verdict")
}
