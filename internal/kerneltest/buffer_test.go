package kerneltest

import (
	"errors"
	"testing"

	"github.com/ipqueue/ipqueue/internal/sock"
)

// TestCharge compares the charge of single messages with the column Rmem of
// /proc/net/netlink on Linux 6.18 amd64.
func TestCharge(t *testing.T) {
	for n, want := range map[int]int{
		36: 832, 156: 832, 256: 832, 356: 1280, 456: 1280, 1056: 2304, 4056: 8448,
		330: 1280, 580: 1280, 1480: 2304, 1780: 4352, 3080: 4352, 6080: 8448, 8080: 16640, 16080: 33024,
		30080: 30912, 60080: 60912,
	} {
		if got := charge(n); got != want {
			t.Errorf("%d bytes cost %d, want %d", n, got, want)
		}
	}
}

func put(b *buffer, sizes ...int) (taken int) {
	for _, n := range sizes {
		if b.put(datagram{bytes: make([]byte, n)}) {
			taken++
		}
	}
	return taken
}

func TestBufferLimit(t *testing.T) {
	for name, tt := range map[string]struct {
		b     buffer
		sizes []int
		want  int
	}{
		"fits":              {buffer{limit: 4096}, []int{272, 272, 272}, 3},
		"one too many":      {buffer{limit: 4096}, []int{272, 272, 272, 272}, 3},
		"small also":        {buffer{limit: 4096}, []int{272, 272, 272, 36}, 3},
		"alone any size":    {buffer{limit: 4096}, []int{60000, 36}, 1},
		"overshoot":         {buffer{limit: 4096, overshoots: true}, []int{1140, 60000, 36}, 2},
		"exactly full":      {buffer{limit: 1664}, []int{36, 36, 36}, 2},
		"overshoot by none": {buffer{limit: 1664, overshoots: true}, []int{36, 36, 36, 36}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			if got := put(&tt.b, tt.sizes...); got != tt.want {
				t.Errorf("took %d of %v, want %d", got, tt.sizes, tt.want)
			}
		})
	}
}

// TestOverrun repeats a measurement on Linux 3.4 with a buffer of 4096 bytes: 2 of
// 60 packets are delivered, one read fails, and no more packets arrive until both
// are read.
func TestOverrun(t *testing.T) {
	k, s, _ := boundIPQ(t, Options{}, sock.Config{ReadBuffer: 2048})
	var journeys []*Journey
	flood := func(n int) {
		for range n {
			journeys = append(journeys, k.Inject(Packet{Payload: make([]byte, 1028)}))
		}
	}
	flood(60)
	if _, err := s.Receive(slots(1), nil); !errors.Is(err, errNoBufs) {
		t.Errorf("first Receive: %v, want ENOBUFS", err)
	}
	if n, err := s.Receive(slots(1), nil); n != 1 || err != nil {
		t.Errorf("second Receive = %d, %v; want 1", n, err)
	}
	flood(1)
	wantFate(t, journeys[60], Undelivered)
	if got := len(receive(t, s)); got != 1 {
		t.Errorf("%d packets left, want 1", got)
	}
	flood(1)
	wantFate(t, journeys[61], Pending)
	if got, err := s.Drops(); err != nil || got != 59 {
		t.Errorf("%d drops, want 59", got)
	}
	if got := k.Pending(); got != 3 {
		t.Errorf("%d pending, want 3", got)
	}
}

func TestOverrunWithoutENOBUFS(t *testing.T) {
	k, s, _ := boundIPQ(t, Options{}, sock.Config{ReadBuffer: 2048, NoENOBUFS: true})
	for range 60 {
		k.Inject(Packet{Payload: make([]byte, 1028)})
	}
	if got := len(receive(t, s)); got != 2 {
		t.Errorf("%d packets delivered, want 2", got)
	}
	if got, err := s.Drops(); err != nil || got != 58 {
		t.Errorf("%d drops, want 58", got)
	}
}
