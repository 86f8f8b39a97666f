// Package queuetest tests programs that use package queue without root, without
// Linux and without a network. Its Kernel is a simulation that a real
// *queue.Queue works on: the test sends packets in and looks at what becomes of
// each.
//
// Say that this is the program, which drops what goes to a blocked port:
//
//	func filter(ctx context.Context, blocked uint16) error {
//		q, err := queue.Open(ctx, queue.Config{Number: 5})
//		if err != nil {
//			return err
//		}
//		defer q.Close()
//		for p := range q.All() {
//			if p.Flow().Destination.Port() == blocked {
//				_ = p.Drop()
//			} else {
//				_ = p.Accept()
//			}
//		}
//		return q.Err()
//	}
//
// Then this is a test of it:
//
//	func TestFilter(t *testing.T) {
//		k := queuetest.New(t, queuetest.Options{Number: 5})
//		k.Go(func(ctx context.Context) error { return filter(ctx, 53) })
//
//		k.Send(queuetest.UDP("10.0.0.1:5000", "10.0.0.2:53", []byte("query"))).WantDropped()
//		k.Send(queuetest.UDP("10.0.0.1:5000", "10.0.0.2:123", nil)).WantAccepted()
//	}
//
// # The way to the program
//
// A program that opens its queue itself needs nothing but the kernel's context:
// give it Kernel.Context, or start it with Kernel.Go. For code that makes its own
// context call Kernel.Install. Where neither is done queue.Open fails, and so does
// the test: no test opens a queue of the machine by mistake. Code that is handed a
// queue gets one from Kernel.Open; to try a function of one packet, receive that
// from it:
//
//	q := k.Open(queue.Config{})
//	s := k.Send(packet)
//	handle(<-q.Packets())
//	s.WantDropped()
//
// Everything else is the same as on a real kernel, errors included; the program
// cannot tell. Config.Backend Auto finds the queue that Options.Backend says the
// kernel has.
//
// # The packets
//
// UDP, TCP, EchoRequest, EchoReply and IP write packets with correct lengths and
// checksums; the fields of Packet add what the kernel knows of one: hook, mark,
// interfaces, owner. Send waits until the queue is open, so that there is no
// race with the start of the program.
//
// A Sent tells what becomes of a packet. Its methods called Want wait for that
// and fail the test with a text that says what happened instead:
//
//	packet 1 (UDP 10.0.0.1:5000 > 10.0.0.2:53, 33 bytes) was accepted; want Dropped
//
// # The end of the test
//
// Every packet must have been decided by a verdict when the test ends, once for
// each time it was queued, whether or not the test looked at it; queues must be
// closed and goroutines gone. New says this exactly.
//
// # Faults
//
// The methods Overrun, RefuseVerdicts, RemoveRules, LinkDown, Revoke and Break
// do to a program what a real kernel does on a bad day.
//
// # Time
//
// Nothing here needs a bubble of testing/synctest, and everything works in one.
// There Config.Deadline, Config.Grace and the program's own timers take no real
// time, and synctest.Wait makes sure that the program has done what it can, for
// instance that it still holds a packet (Sent.Outcome). The Kernel must be made
// in the bubble.
//
// # What is not simulated
//
// Network namespaces (Config.NetNS is ignored), bridges, and firewall rules but
// for the one that sends packets to a queue. A packet that passes goes nowhere;
// answers are for the test to send. The machine's speed and its memory are
// without limits other than those of the queue.
package queuetest
