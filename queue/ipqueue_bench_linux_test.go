package queue_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ipqueue/ipqueue/internal/netns"
	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/queue"
)

// BenchmarkIPQueueRoundTrip gives verdicts through real netlink sockets to a
// peer that sends packet messages of ip_queue, 256 of them ahead, and counts
// the verdicts. One operation is one packet. The other consumers are in C, as
// the peer is: the loop of libipq, and the least that can be done with recvmmsg
// and sendmmsg. Both sides are processes of their own, each with a processor of
// its own if there are two. Where the peer is the slower side ns/op is the
// peer's; cpu-ns/op is the consumer's.
func BenchmarkIPQueueRoundTrip(b *testing.B) {
	peer, loop := compile(b, "ipq_peer"), compile(b, "ipq_loop")
	for _, take := range []string{"Packets", "All"} {
		b.Run(take, func(b *testing.B) {
			var q *helper
			onCPU(b, 0, func() { q = startHelper(b, &netns.Namespace{}, "ipqServe", take) })
			p := startIPQPeer(b, peer, q.cmd.Process.Pid)
			fmt.Fprintln(q.in, p.port)
			p.measure(b, q.cmd.Process.Pid)
		})
	}
	for _, c := range []struct{ name, take string }{{"libipq_in_C", "one"}, {"mmsg_in_C", "many"}} {
		b.Run(c.name, func(b *testing.B) {
			const port = 77777
			p := startIPQPeer(b, peer, port)
			cmd := exec.Command(loop, c.take, strconv.Itoa(port), p.port, strconv.Itoa(b.N))
			cmd.Stderr = os.Stderr
			onCPU(b, 0, func() {
				if err := cmd.Start(); err != nil {
					b.Fatal(err)
				}
			})
			p.measure(b, cmd.Process.Pid)
			if err := cmd.Wait(); err != nil {
				b.Error(err)
			}
		})
	}
}

// compile returns a program made of a source in testdata.
func compile(b *testing.B, name string) string {
	program := filepath.Join(b.TempDir(), name)
	if out, err := exec.Command("cc", "-O2", "-o", program, "testdata/"+name+".c").CombinedOutput(); err != nil {
		b.Skipf("no C compiler, or it failed: %v: %s", err, out)
	}
	return program
}

// onCPU calls f, whose processes will run on the first of the processors that
// there are, or on the nth, or on the last.
func onCPU(b *testing.B, n int, f func()) {
	b.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		b.Fatal(err)
	}
	last := 0
	for cpu := 0; n >= 0 && cpu < 8*len(before); cpu++ {
		if before.IsSet(cpu) {
			last = cpu
			n--
		}
	}
	one.Set(last)
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := unix.SchedSetaffinity(0, &before); err != nil {
			b.Error(err)
		}
	}()
	f()
}

// An ipqPeer is the other end.
type ipqPeer struct {
	port string
	out  *bufio.Scanner
}

// startIPQPeer starts one for the socket with that port.
func startIPQPeer(b *testing.B, program string, port int) *ipqPeer {
	b.Helper()
	cmd := exec.Command(program, strconv.Itoa(port), strconv.Itoa(b.N))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	onCPU(b, 1, func() {
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
	})
	b.Cleanup(func() {
		_ = cmd.Process.Kill() // if it has not ended
		_ = cmd.Wait()
	})
	p := &ipqPeer{out: bufio.NewScanner(out)}
	p.out.Scan()
	p.port = p.out.Text()
	return p
}

// measure runs the clock from the first packet to the last verdict. It also
// measures the processor time of the consumer.
func (p *ipqPeer) measure(b *testing.B, consumer int) {
	b.Helper()
	b.StopTimer()
	b.ResetTimer()
	p.await(b, "begin")
	before := processorTime(b, consumer)
	b.StartTimer()
	p.await(b, "end")
	b.StopTimer()
	b.ReportMetric(float64(processorTime(b, consumer)-before)/float64(b.N), "cpu-ns/op")
}

// processorTime returns the processor time that a process has used. A process
// that has ended keeps it until another process waits for it.
func processorTime(b *testing.B, process int) time.Duration {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", process))
	if err != nil {
		b.Fatal(err)
	}
	_, fields, _ := bytes.Cut(stat, []byte(") "))
	var user, system int64
	if _, err := fmt.Sscanf(string(bytes.Join(bytes.Fields(fields)[11:13], []byte(" "))), "%d %d", &user, &system); err != nil {
		b.Fatal(err)
	}
	return time.Duration(user+system) * 10 * time.Millisecond // USER_HZ is 100
}

func (p *ipqPeer) await(b *testing.B, line string) {
	b.Helper()
	if !p.out.Scan() || p.out.Text() != line {
		b.Fatalf("the peer says %q, want %q", p.out.Text(), line)
	}
}

func init() {
	helpers["ipqServe"] = ipqServe
}

// ipqServe accepts the packets of the peer whose port it reads from its input,
// with Packets or All depending on its argument.
func ipqServe() error {
	fmt.Println("ready")
	var peer uint32
	in := bufio.NewReader(os.Stdin)
	if _, err := fmt.Fscanln(in, &peer); err != nil {
		return err
	}
	q, err := queue.Open(sock.WithKernel(context.Background(), userKernel{sock.Host(), peer}),
		queue.Config{Backend: queue.IPQueue, WordSize: 64})
	if err != nil {
		return err
	}
	go func() {
		_, _ = in.ReadByte() // until the input ends
		_ = q.Close()
	}()
	if os.Args[1] == "All" {
		for p := range q.All() {
			_ = p.Accept()
		}
	} else {
		for p := range q.Packets() {
			_ = p.Accept()
		}
	}
	return q.Close()
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
