package queuetest_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/ipqueue/ipqueue/queue"
	"github.com/ipqueue/ipqueue/queue/queuetest"
)

// WantReplaced compares the whole packet, including checksums, and shows the
// bytes that differ. In these examples, show runs a test as go test does.
func ExampleSent_WantReplaced() {
	show(func(t queuetest.TB) {
		k := queuetest.New(t, queuetest.Options{})
		q := k.Open(queue.Config{})
		go func() {
			for p := range q.Packets() {
				p.Replace(bytes.ReplaceAll(p.Payload, []byte("cat"), []byte("tiger")))
			}
		}()
		from, to := "10.0.0.1:5000", "10.0.0.2:7"
		s := k.Send(queuetest.UDP(from, to, []byte("a cat")))
		s.WantReplaced(queuetest.UDP(from, to, []byte("a tiger")))
		s.WantReplaced(queuetest.UDP(from, to, []byte("a tiler")))
	})
	// Output:
	// packet 1 (UDP 10.0.0.1:5000 > 10.0.0.2:7, 33 bytes) was accepted and replaced by a different packet
	// 	got  UDP 10.0.0.1:5000 > 10.0.0.2:7, 35 bytes
	// 	want UDP 10.0.0.1:5000 > 10.0.0.2:7, 35 bytes
	// 	got  0010  0a 00 00 02 13 88 00 07 00 0f 29 4f 61 20 74 69  ..........)Oa ti
	// 	want 0010  0a 00 00 02 13 88 00 07 00 0f 24 4f 61 20 74 69  ..........$Oa ti
	// 	got  0020  67 65 72                                         ger
	// 	want 0020  6c 65 72                                         ler
	// FAIL
}

// The fields of a Packet are the metadata that the program receives.
func ExamplePacket() {
	show(func(t queuetest.TB) {
		k := queuetest.New(t, queuetest.Options{Backend: queue.NFQueue})
		q := k.Open(queue.Config{Owner: true})

		ping := queuetest.EchoRequest("fd00::1", "fd00::2", 1, 1, nil)
		ping.Hook = queue.HookOutput
		ping.Out = "eth0"
		ping.Owner = &queuetest.Owner{UID: 1000, GID: 1000}
		k.Send(ping)

		p := <-q.Packets()
		uid, _ := p.UID()
		fmt.Println(p.Family, p.Hook, p.Out(), uid)
		p.Accept()
	})
	// Output:
	// IPv6 Output eth0 1000
	// PASS
}

// When an interface goes down, the kernel drops its packets. It then refuses a
// verdict for such a packet.
func ExampleKernel_LinkDown() {
	show(func(t queuetest.TB) {
		k := queuetest.New(t, queuetest.Options{})
		refused := make(chan error)
		q := k.Open(queue.Config{
			OnRefused: func(id uint64, err error) { refused <- err },
		})
		packet := queuetest.UDP("10.0.0.1:5000", "10.0.0.2:53", nil)
		packet.In = "eth0"
		s := k.Send(packet)

		p := <-q.Packets()
		k.LinkDown("eth0")
		s.Want(queuetest.Flushed)
		fmt.Println("verdict:", p.Accept())
		fmt.Println("then ENOENT:", errors.Is(<-refused, fs.ErrNotExist))
	})
	// Output:
	// verdict: <nil>
	// then ENOENT: true
	// PASS
}

// When the socket fails, the stream ends and Queue.Err returns the reason.
func ExampleKernel_Break() {
	show(func(t queuetest.TB) {
		k := queuetest.New(t, queuetest.Options{})
		q := k.Open(queue.Config{})
		k.Break(syscall.EIO)
		for range q.Packets() {
		}
		fmt.Println(errors.Is(q.Err(), syscall.EIO))
	})
	// Output:
	// true
	// PASS
}
