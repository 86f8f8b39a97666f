package queue_test

import (
	"context"
	"encoding/binary"
	"sync"
	"testing"
	"time"

	"github.com/ipqueue/ipqueue/checksum"
	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/queue"
)

// TestIPQueueScenarios runs on a simulated kernel what TestKernelIPQueue runs
// on a real one.
func TestIPQueueScenarios(t *testing.T) {
	t.Run("IPv4", func(t *testing.T) {
		runIPQScenarios(t, func(t *testing.T) ipqHost { return newSimHost(queue.IPv4) })
	})
	t.Run("IPv6", func(t *testing.T) {
		runIPQScenarios(t, func(t *testing.T) ipqHost { return newSimHost(queue.IPv6) })
	})
}

// A simHost is a simulated host whose packets arrive in the order in which
// they were let through.
type simHost struct {
	f       queue.Family
	kernel  *kerneltest.Kernel
	arrived chan []byte
	open    sync.WaitGroup // packets whose fate is not decided
}

func newSimHost(f queue.Family) *simHost {
	return &simHost{
		f:       f,
		kernel:  kerneltest.New(kerneltest.Options{Modules: kerneltest.IPQueue | kerneltest.IP6Queue}),
		arrived: make(chan []byte, 1024),
	}
}

func (h *simHost) context() context.Context {
	return sock.WithKernel(context.Background(), h.kernel)
}

func (h *simHost) family() queue.Family { return h.f }

func (h *simHost) send(_ *testing.T, text string) {
	p := kerneltest.Packet{
		Family:  kerneltest.IPv4,
		Hook:    kerneltest.LocalOut,
		Out:     kerneltest.Device{Index: 1, Name: "lo"},
		Payload: udpPacket(h.f, text),
	}
	if h.f == queue.IPv6 {
		p.Family = kerneltest.IPv6
	}
	j := h.kernel.Inject(p)
	h.open.Add(1)
	go func() {
		defer h.open.Done()
		if j.Wait().Passes() {
			h.arrived <- j.Result().Packet.Payload
		}
	}()
}

// udpPacket makes a datagram from ::1 to ::1, or from 127.0.0.1 to the same.
func udpPacket(f queue.Family, text string) []byte {
	udp := binary.BigEndian.AppendUint16(nil, 40000)
	udp = binary.BigEndian.AppendUint16(udp, 9999)
	udp = binary.BigEndian.AppendUint16(udp, uint16(8+len(text)))
	udp = append(udp, 0, 1) // not absent, and repaired below
	udp = append(udp, text...)
	ip := []byte{0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1}
	if f == queue.IPv6 {
		ip = make([]byte, 40)
		ip[0], ip[6], ip[7], ip[23], ip[39] = 0x60, 17, 64, 1, 1
		binary.BigEndian.PutUint16(ip[4:], uint16(len(udp)))
	} else {
		binary.BigEndian.PutUint16(ip[2:], uint16(20+len(udp)))
	}
	b := append(ip, udp...)
	if err := checksum.Fix(b); err != nil {
		panic(err)
	}
	return b
}

func (h *simHost) receive(t *testing.T) string {
	t.Helper()
	select {
	case b := <-h.arrived:
		if ok, err := checksum.Valid(b); !ok || err != nil {
			t.Fatalf("a packet with wrong checksums left: %v", err)
		}
		return string(b[ipqHeaderLen(h):])
	case <-time.After(patience):
		t.Fatal("nothing arrived")
	}
	panic("unreachable")
}

func (h *simHost) quiet(t *testing.T) {
	t.Helper()
	h.open.Wait()
	select {
	case b := <-h.arrived:
		t.Fatalf("unexpected datagram of %d bytes", len(b))
	default:
	}
}
