package queue_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/ipqueue/ipqueue/internal/testutil"
	"github.com/ipqueue/ipqueue/queue"
)

// TestKernelIPQueue runs the scenarios on a kernel that has ip_queue. It needs
// root and iptables, and queues only datagrams between two ports on loopback.
func TestKernelIPQueue(t *testing.T) { testKernelIPQueue(t, queue.IPv4, "127.0.0.1") }

// TestKernelIPQueue6 does the same for ip6_queue.
func TestKernelIPQueue6(t *testing.T) { testKernelIPQueue(t, queue.IPv6, "::1") }

// TestKernelIPQueueBoth serves both families from one process at a time.
func TestKernelIPQueueBoth(t *testing.T) {
	requireIPQueue(t)
	v4 := newLoopback(t, queue.IPv4, "127.0.0.1")
	v6 := newLoopback(t, queue.IPv6, "::1")
	q4, q6 := openIPQ(t, v4, queue.Config{}), openIPQ(t, v6, queue.Config{})
	v4.send(t, "four")
	v6.send(t, "six")
	do(t, "Accept", takeIPQ(t, q6).Accept())
	do(t, "Accept", takeIPQ(t, q4).Accept())
	expectText(t, v4, "four")
	expectText(t, v6, "six")
}

func testKernelIPQueue(t *testing.T, f queue.Family, addr string) {
	requireIPQueue(t)
	h := newLoopback(t, f, addr)
	runIPQScenarios(t, func(t *testing.T) ipqHost {
		h.quiet(t)
		return h
	})
}

func requireIPQueue(t *testing.T) {
	t.Helper()
	if !hasIPQueue() {
		testutil.Lacks(t, testutil.IPQueue, "not in this kernel, or not in this network namespace")
	}
	if os.Getuid() != 0 {
		testutil.Lacks(t, testutil.IPQueue, "not for this user")
	}
}

// A loopback is a pair of UDP sockets, and a rule that queues what one sends
// to the other. A third socket sends past the rule.
type loopback struct {
	f              queue.Family
	client, server *net.UDPConn
	bypass         *net.UDPConn
}

func newLoopback(t *testing.T, f queue.Family, addr string) *loopback {
	t.Helper()
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		t.Logf("ip link set lo up: %v: %s (going on: it may be up)", err, out)
	}
	server := listenUDP(t, addr)
	h := &loopback{f: f, server: server, client: dialUDP(t, server), bypass: dialUDP(t, server)}
	h.addRule(t)
	return h
}

func listenUDP(t *testing.T, addr string) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(addr)})
	do(t, "listen", err)
	t.Cleanup(func() { c.Close() })
	return c
}

func dialUDP(t *testing.T, server *net.UDPConn) *net.UDPConn {
	t.Helper()
	c, err := net.DialUDP("udp", nil, server.LocalAddr().(*net.UDPAddr))
	do(t, "dial", err)
	t.Cleanup(func() { c.Close() })
	return c
}

func (h *loopback) addRule(t *testing.T) {
	t.Helper()
	command := iptables(t, h.f)
	port := func(a net.Addr) string { return strconv.Itoa(a.(*net.UDPAddr).Port) }
	rule := []string{"OUTPUT", "-o", "lo", "-p", "udp",
		"--sport", port(h.client.LocalAddr()), "--dport", port(h.server.LocalAddr()), "-j", "QUEUE"}
	if out, err := exec.Command(command, append([]string{"-I"}, rule...)...).CombinedOutput(); err != nil {
		testutil.Lacks(t, testutil.IPTables, fmt.Sprintf("%s: %v: %s", command, err, out))
	}
	t.Cleanup(func() { _ = exec.Command(command, append([]string{"-D"}, rule...)...).Run() })
}

// iptables finds the command that installs rules of the old kind.
func iptables(t *testing.T, f queue.Family) string {
	t.Helper()
	name := map[queue.Family]string{queue.IPv4: "iptables", queue.IPv6: "ip6tables"}[f]
	for _, command := range []string{name + "-legacy", name} {
		if path, err := exec.LookPath(command); err == nil {
			return path
		}
	}
	testutil.Lacks(t, testutil.IPTables, "no "+name+" on the PATH")
	return ""
}

func (h *loopback) context() context.Context { return context.Background() }
func (h *loopback) family() queue.Family     { return h.f }

// send ignores EPERM: the kernel returns it to the sender of a packet that is
// dropped on its way out.
func (h *loopback) send(t *testing.T, text string) {
	t.Helper()
	if _, err := h.client.Write([]byte(text)); err != nil && !errors.Is(err, syscall.EPERM) {
		t.Fatal(err)
	}
}

func (h *loopback) receive(t *testing.T) string {
	t.Helper()
	b := make([]byte, 1<<16)
	do(t, "deadline", h.server.SetReadDeadline(time.Now().Add(patience)))
	n, err := h.server.Read(b)
	do(t, "receive", err)
	return string(b[:n])
}

// quiet sends a datagram past the queue. What the queue had let through before
// would arrive before it.
func (h *loopback) quiet(t *testing.T) {
	t.Helper()
	_, err := h.bypass.Write([]byte("marker"))
	do(t, "send", err)
	if got := h.receive(t); got != "marker" {
		t.Fatalf("unexpected datagram %.40q", got)
	}
}
