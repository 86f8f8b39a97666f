// Package queuetest tests programs that use package queue, without root, Linux
// or a network. Its [Kernel] is a simulated kernel that a real [*queue.Queue]
// works with: the test sends packets in, and checks what happens to each.
//
// For example, this program drops packets to a blocked port:
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
// And this is its test:
//
//	func TestFilter(t *testing.T) {
//		k := queuetest.New(t, queuetest.Options{Number: 5})
//		k.Go(func(ctx context.Context) error { return filter(ctx, 53) })
//
//		k.Send(queuetest.UDP("10.0.0.1:5000", "10.0.0.2:53", []byte("query"))).WantDropped()
//		k.Send(queuetest.UDP("10.0.0.1:5000", "10.0.0.2:123", nil)).WantAccepted()
//	}
//
// # Running the program
//
// A program that opens its queue itself only needs the right context: call it
// with [Kernel.Context], or start it with [Kernel.Go]. For code that creates
// its own context, call [Kernel.Install]. Without any of these [queue.Open]
// fails, and so does the test: no test opens a queue of the real kernel by
// mistake.
//
// Code that is passed a queue gets one from [Kernel.Open]. To test a function
// that handles one packet, receive the packet in the test:
//
//	q := k.Open(queue.Config{})
//	s := k.Send(packet)
//	handle(<-q.Packets())
//	s.WantDropped()
//
// Everything else, including errors, is as on a real kernel. With Config.Backend
// Auto the program uses the backend that Options.Backend selects.
//
// # Packets
//
// [UDP], [TCP], [EchoRequest], [EchoReply] and [IP] build packets with correct
// lengths and checksums. The fields of [Packet] add the metadata that the
// kernel has: hook, mark, interfaces, owner. [Kernel.Send] waits until the
// queue is open, so a test does not race with the start of the program.
//
// Send returns a [Sent], which reports what happens to the packet. Its Want
// methods wait for the outcome. If it is not the expected one, they fail the
// test with a message such as:
//
//	packet 1 (UDP 10.0.0.1:5000 > 10.0.0.2:53, 33 bytes) was accepted; want Dropped
//
// # The end of a test
//
// When the test ends, a verdict must have decided every packet each time it was
// queued, even if the test did not check that packet. All queues must be closed
// and all goroutines must have ended. [New] has the exact rules.
//
// # Faults
//
// [Kernel.Overrun], [Kernel.RefuseVerdicts], [Kernel.RemoveRules],
// [Kernel.LinkDown], [Kernel.Revoke] and [Kernel.Break] simulate failures of a
// real kernel.
//
// # Time
//
// The package works with and without [testing/synctest]. In a synctest bubble,
// Config.Deadline, Config.Grace and the program's own timers take no real time,
// and [testing/synctest.Wait] waits until the program has nothing left to do. Then, for
// example, [Sent.Outcome] shows whether the program still holds a packet. Call
// New inside the bubble.
//
// # What is not simulated
//
// The simulation has no network namespaces (it ignores Config.NetNS), no bridges,
// and no firewall rules except the one that sends packets to a queue. A packet
// that passes goes nowhere; the test itself sends the replies. Apart from the
// limits of the queue, speed and memory are unlimited.
package queuetest
