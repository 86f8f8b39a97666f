package queue_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/queue"
)

// BenchmarkIPQueueRoundTrip gives verdicts through real netlink sockets to a
// peer that sends packet messages of ip_queue, 256 of them ahead, and counts
// the verdicts. One operation is one packet. The C program is the loop of
// libipq against the same peer.
func BenchmarkIPQueueRoundTrip(b *testing.B) {
	b.Run("Packets", func(b *testing.B) {
		benchmarkIPQ(b, func(q *queue.Queue) {
			for p := range q.Packets() {
				_ = p.Accept()
			}
		})
	})
	b.Run("All", func(b *testing.B) {
		benchmarkIPQ(b, func(q *queue.Queue) {
			for p := range q.All() {
				_ = p.Accept()
			}
		})
	})
	b.Run("libipq_in_C", benchmarkLibipq)
}

func benchmarkIPQ(b *testing.B, serve func(*queue.Queue)) {
	p := newIPQPeer(b, uint32(os.Getpid()))
	b.ReportAllocs()
	done := make(chan error)
	go func() { done <- p.run(b) }()
	q, err := queue.Open(sock.WithKernel(context.Background(), userKernel{sock.Host(), p.s.Port()}),
		queue.Config{Backend: queue.IPQueue, WordSize: 64})
	if err != nil {
		b.Fatal(err)
	}
	go func() {
		if err := <-done; err != nil {
			b.Error(err)
		}
		q.Close()
	}()
	serve(q)
}

func benchmarkLibipq(b *testing.B) {
	program := filepath.Join(b.TempDir(), "libipq_loop")
	if out, err := exec.Command("cc", "-O2", "-o", program, "testdata/libipq_loop.c").CombinedOutput(); err != nil {
		b.Skipf("no C compiler, or it failed: %v: %s", err, out)
	}
	const port = 77777
	p := newIPQPeer(b, port)
	cmd := exec.Command(program, strconv.Itoa(port), fmt.Sprint(p.s.Port()), strconv.Itoa(b.N))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	if err := p.run(b); err != nil {
		b.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		b.Error(err)
	}
}

// A userKernel is the running kernel with a peer of NETLINK_USERSOCK in place
// of ip_queue.
type userKernel struct {
	sock.Kernel
	port uint32
}

func (k userKernel) Open(c sock.Config) (sock.Socket, error) {
	c.Protocol, c.Port = syscall.NETLINK_USERSOCK, k.port
	return k.Kernel.Open(c)
}

// An ipqPeer is the other end: it sends packet messages and counts verdicts.
type ipqPeer struct {
	s       sock.Socket
	batch   []sock.Datagram
	packets [][]byte
}

// ahead is how many packets wait for a verdict at a time.
const ahead = 256

// newIPQPeer opens a socket whose other end is port. The first socket of a
// process takes the process's number for its port, unless that is taken: a
// placeholder sees to it that the peer leaves it free.
func newIPQPeer(b *testing.B, port uint32) *ipqPeer {
	b.Helper()
	placeholder, err := sock.Host().Open(sock.Config{Protocol: syscall.NETLINK_USERSOCK})
	if err != nil {
		b.Skipf("no NETLINK_USERSOCK: %v", err)
	}
	defer placeholder.Close()
	s, err := sock.Host().Open(sock.Config{Protocol: syscall.NETLINK_USERSOCK, Port: port, ReadBuffer: 8 << 20})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	p := &ipqPeer{s: s, batch: make([]sock.Datagram, sock.MaxBatch)}
	for i := range p.batch {
		p.batch[i].Buf = make([]byte, 4096)
	}
	for range sock.MaxBatch {
		p.packets = append(p.packets, ipqPacketMessage())
	}
	return p
}

// ipqPacketMessage is a packet message of a 64-bit kernel, with a packet of 92
// bytes.
func ipqPacketMessage() []byte {
	const header, fixed, payload = 16, 96, 92
	b := make([]byte, header+fixed+payload)
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], 0x13)
	binary.NativeEndian.PutUint64(b[header+88:], payload)
	b[header+fixed] = 0x45
	b[header+fixed+3] = payload
	return b
}

// run waits for a request, starts the clock, and sends b.N packets.
func (p *ipqPeer) run(b *testing.B) error {
	sent, decided := 0, 0
	for decided < b.N {
		n, err := p.s.Receive(p.batch, nil)
		if err != nil {
			return err
		}
		for _, d := range p.batch[:n] {
			switch binary.NativeEndian.Uint16(d.Buf[4:]) {
			case 0x11: // IPQM_MODE
				if err := p.acknowledge(d.Buf[:d.N]); err != nil {
					return err
				}
				b.ResetTimer()
			case 0x12: // IPQM_VERDICT
				decided++
			}
		}
		if sent, err = p.feed(sent, min(b.N, decided+ahead)); err != nil {
			return err
		}
	}
	b.StopTimer()
	return nil
}

// acknowledge answers a request that wants an answer.
func (p *ipqPeer) acknowledge(request []byte) error {
	if request[6]&4 == 0 { // NLM_F_ACK
		return nil
	}
	b := make([]byte, 36)
	binary.NativeEndian.PutUint32(b, 36)
	binary.NativeEndian.PutUint16(b[4:], 2) // NLMSG_ERROR, errno 0
	copy(b[20:], request[:16])
	_, err := p.s.Send([][]byte{b})
	return err
}

// feed sends the packets from sent to limit.
func (p *ipqPeer) feed(sent, limit int) (int, error) {
	for sent < limit {
		n := min(limit-sent, len(p.packets))
		for i := range n {
			binary.NativeEndian.PutUint64(p.packets[i][16:], 0xffff880000000000+uint64(sent+i)*256)
		}
		if _, err := p.s.Send(p.packets[:n]); err != nil {
			return sent, err
		}
		sent += n
	}
	return sent, nil
}
