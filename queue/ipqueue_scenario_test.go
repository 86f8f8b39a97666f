package queue_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/ipqueue/ipqueue/queue"
)

func ipqSecondPeer(t *testing.T, h ipqHost) {
	q := openIPQ(t, h, queue.Config{})
	_, err := queue.Open(h.context(), queue.Config{Backend: queue.IPQueue, Family: h.family()})
	if !errors.Is(err, syscall.EBUSY) {
		t.Fatalf("a second Open: %v, want EBUSY", err)
	}
	h.send(t, "the first one serves")
	do(t, "Accept", takeIPQ(t, q).Accept())
	expectText(t, h, "the first one serves")
	q.Close()
	q = openIPQ(t, h, queue.Config{})
	h.send(t, "then the second")
	do(t, "Accept", takeIPQ(t, q).Accept())
	expectText(t, h, "then the second")
}

func ipqUnknownID(t *testing.T, h ipqHost) {
	var refused atomic.Uint64
	q := openIPQ(t, h, queue.Config{OnRefused: func(id uint64, err error) {
		if errors.Is(err, syscall.ENOENT) {
			refused.Store(id)
		}
	}})
	h.send(t, "x")
	p := takeIPQ(t, q)
	do(t, "SendVerdict", queue.SendVerdict(q, 0x12345678))
	eventually(t, "the verdict was refused", func() bool { return refused.Load() == 0x12345678 })
	do(t, "Accept", p.Accept())
	expectText(t, h, "x")
	if s := q.Stats(); s.Refused != 1 || s.Late != 1 {
		t.Errorf("Refused %d, Late %d, want 1 each", s.Refused, s.Late)
	}
	if err := p.Accept(); !errors.Is(err, queue.ErrDecided) {
		t.Errorf("a second verdict: %v, want ErrDecided", err)
	}
}

// ipqOverrun fills the smallest receive buffer. The stream continues, and every
// packet is accounted for.
func ipqOverrun(t *testing.T, h ipqHost) {
	q := openIPQ(t, h, queue.Config{ReadBuffer: 1})
	before := q.Stats().Kernel.SocketDropped
	const n = 60
	for i := range n {
		h.send(t, fmt.Sprint(i))
	}
	if d := q.Stats().Kernel.SocketDropped - before; d == 0 || d >= n {
		t.Fatalf("%d of %d packets did not fit into the smallest buffer", d, n)
	} else {
		for range n - d {
			do(t, "Accept", takeIPQ(t, q).Accept())
			h.receive(t)
		}
	}
	eventually(t, "the overrun was counted", func() bool { return q.Stats().Overruns > 0 })
	h.send(t, "after")
	do(t, "Accept", takeIPQ(t, q).Accept())
	expectText(t, h, "after")
	h.quiet(t)
}

func ipqCloseWithPending(t *testing.T, h ipqHost) {
	q := openIPQ(t, h, queue.Config{})
	h.send(t, "read")
	p := takeIPQ(t, q)
	h.send(t, "not read")
	q.Close()
	h.quiet(t)
	if err := p.Accept(); !errors.Is(err, queue.ErrClosed) {
		t.Errorf("a verdict after Close: %v, want ErrClosed", err)
	}
	q = openIPQ(t, h, queue.Config{})
	if k := q.Stats().Kernel; k.Pending != 0 {
		t.Errorf("%d packets are pending in the next queue", k.Pending)
	}
	h.send(t, "next")
	do(t, "Accept", takeIPQ(t, q).Accept())
	expectText(t, h, "next")
}

func ipqAcceptOnClose(t *testing.T, h ipqHost) {
	q := openIPQ(t, h, queue.Config{OnClose: queue.Accept})
	h.send(t, "0")
	takeIPQ(t, q)
	want := []string{"0"}
	for i := 1; i < 10; i++ {
		want = append(want, fmt.Sprint(i))
		h.send(t, want[i])
	}
	q.Close()
	expectTexts(t, h, want...)
	h.quiet(t)
}

func ipqContextEnd(t *testing.T, h ipqHost) {
	ctx, cancel := context.WithCancel(h.context())
	q, err := queue.Open(ctx, queue.Config{Backend: queue.IPQueue, Family: h.family(), Grace: -1})
	do(t, "Open", err)
	defer q.Close()
	h.send(t, "held")
	p := takeIPQ(t, q)
	h.send(t, "received later")
	cancel()
	do(t, "Accept", takeIPQ(t, q).Accept())
	if p, ok := <-q.Packets(); ok {
		t.Fatalf("packet %v after the end of the context", p.ID)
	}
	if err := q.Err(); err != nil {
		t.Errorf("Err: %v, want nil", err)
	}
	h.send(t, "too late")
	do(t, "Accept", p.Accept())
	expectTexts(t, h, "received later", "held")
	h.quiet(t)
}

func ipqFields(t *testing.T, h ipqHost) {
	q := openIPQ(t, h, queue.Config{})
	h.send(t, "fields")
	p := takeIPQ(t, q)
	if p.Hook != queue.HookOutput || p.Family != h.family() {
		t.Errorf("hook %v, family %v", p.Hook, p.Family)
	}
	if in, out := p.In(), p.Out(); in != (queue.Device{}) || out.Name() != "lo" {
		t.Errorf("in %q, out %q, want none and lo", in, out)
	}
	if p.ID == 0 || p.GSO() || !p.ChecksumReady() || p.Truncated() {
		t.Errorf("packet %+v", p)
	}
	do(t, "Accept", p.Accept())
	expectText(t, h, "fields")
}
