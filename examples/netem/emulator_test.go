package main

import (
	"context"
	"errors"
	"math/bits"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/queue"
	"github.com/ipqueue/ipqueue/queue/queuetest"
)

// size is the size of the packets in these tests: at 8 kbit/s a packet takes
// one second.
const size = 1000

// lost is used as the delay of packets that do not pass.
const lost = time.Duration(-1)

// An emulation is a running network on a simulated kernel.
type emulation struct {
	kernel *kerneltest.Kernel
	*emulator
	end func() queue.Stats
}

// emulate starts the network, which sends duplicates with send. It must be
// called in a synctest bubble.
func emulate(t *testing.T, n network, send func([]byte) error) *emulation {
	t.Helper()
	k := kerneltest.New(kerneltest.Options{})
	ctx, cancel := context.WithCancel(sock.WithKernel(t.Context(), k))
	q, err := queue.Open(ctx, queue.Config{})
	if err != nil {
		t.Fatal(err)
	}
	e, ended := newEmulator(n), make(chan struct{})
	e.send = send
	go func() {
		defer close(ended)
		e.run(q.Packets())
	}()
	return &emulation{k, e, func() queue.Stats {
		cancel()
		<-ended
		q.Close()
		if err := q.Err(); err != nil {
			t.Error(err)
		}
		return q.Stats()
	}}
}

// inject sends a packet now, and returns a channel that receives its delay.
func (e *emulation) inject() <-chan time.Duration {
	sent, delay := time.Now(), make(chan time.Duration, 1)
	j := e.kernel.Inject(kerneltest.Packet{Payload: make([]byte, size)})
	go func() {
		if j.Wait() != kerneltest.Accepted {
			delay <- lost
			return
		}
		delay <- time.Since(sent)
	}()
	return delay
}

func TestEmulator(t *testing.T) {
	const s, ms = time.Second, time.Millisecond
	for _, test := range []struct {
		name    string
		network network
		gap     time.Duration // between packets
		want    []time.Duration
	}{
		{"nothing", network{}, 0, []time.Duration{0, 0, 0}},
		{"delay", network{delay: 100 * ms}, 10 * ms, []time.Duration{100 * ms, 100 * ms, 100 * ms}},
		{"loss", network{loss: 1, delay: s}, 0, []time.Duration{lost, lost}},
		{"reorder", network{reorder: 1, delay: s}, 0, []time.Duration{0, 0}},
		{"rate", network{rate: 8000}, 0, []time.Duration{s, 2 * s, 3 * s}},
		{"rate and delay", network{rate: 8000, delay: s / 2}, 0, []time.Duration{3 * s / 2, 5 * s / 2}},
		{"rate that is enough", network{rate: 8000}, 2 * s, []time.Duration{s, s}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := emulate(t, test.network, nil)
				var delays []<-chan time.Duration
				for range test.want {
					delays = append(delays, e.inject())
					synctest.Wait()
					time.Sleep(test.gap)
				}
				for i, want := range test.want {
					// The queue may send a verdict slightly later.
					if got := <-delays[i]; got < want || got > want+ms {
						t.Errorf("packet %d: delay %v, want %v", i, got, want)
					}
				}
				e.end()
			})
		})
	}
}

// TestEmulatorOvertaking checks that packets pass in the order of their due
// times, not in the order of their arrival.
func TestEmulatorOvertaking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad := network{seed: 3, delay: time.Second, jitter: time.Second, reorder: 0.2}
		e := emulate(t, bad, nil)
		var delays []<-chan time.Duration
		for range 100 {
			delays = append(delays, e.inject())
			synctest.Wait()
		}
		for i, f := range fates(bad, len(delays)) {
			if got := <-delays[i]; got < f.delay || got > f.delay+time.Millisecond {
				t.Errorf("packet %d: delay %v, want %v", i, got, f.delay)
			}
		}
		if s := e.end(); s.Accepted != 100 {
			t.Errorf("%d passed, want 100", s.Accepted)
		}
	})
}

// TestEmulatorEnd checks that at the end the held packets pass immediately, and
// only once.
func TestEmulatorEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := emulate(t, network{delay: time.Hour, duplicate: 1, mark: 7}, func([]byte) error {
			t.Error("a duplicate was sent at the end")
			return nil
		})
		delays := []<-chan time.Duration{e.inject(), e.inject(), e.inject()}
		synctest.Wait()
		s := e.end()
		for i, delay := range delays {
			if got := <-delay; got < 0 || got > time.Millisecond {
				t.Errorf("packet %d: delay %v, want 0", i, got)
			}
		}
		want := stats{arrived: 3, passed: 3, mostHeld: 3}
		if e.stats != want || s.Abandoned != 0 {
			t.Errorf("stats %+v, %d abandoned, want %+v, 0", e.stats, s.Abandoned, want)
		}
	})
}

// TestEmulatorDuplicates checks that packets that leave this host are
// duplicated, and that a duplicate is not changed or delayed again.
func TestEmulatorDuplicates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		copies := 0
		e := emulate(t, network{duplicate: 1, delay: time.Second, mark: 7}, func([]byte) error {
			if copies++; copies == 2 {
				return errors.New("no room")
			}
			return nil
		})
		var journeys []*kerneltest.Journey
		for _, p := range []kerneltest.Packet{
			{Hook: kerneltest.LocalOut},
			{Hook: kerneltest.Forward},
			{Hook: kerneltest.PostRouting},
			{Hook: kerneltest.PreRouting},
			{Hook: kerneltest.LocalIn},
			{Hook: kerneltest.LocalOut, Payload: make([]byte, 65535)}, // more than the kernel copies
			{Hook: kerneltest.LocalOut, Mark: 7},
		} {
			if p.Payload == nil {
				p.Payload = make([]byte, size)
			}
			journeys = append(journeys, e.kernel.Inject(p))
		}
		for _, j := range journeys {
			if got := j.Wait(); got != kerneltest.Accepted {
				t.Errorf("a packet was %v, want Accepted", got)
			}
		}
		e.end()
		want := stats{arrived: 6, passed: 6, duplicated: 2, undoubled: 4, mostHeld: 6, delay: 6 * time.Second}
		if e.stats != want || copies != 3 {
			t.Errorf("stats %+v, %d copies, want %+v, 3", e.stats, copies, want)
		}
	})
}

// TestEmulatorCorrupts checks that a corrupted packet differs in one bit after
// its IP header.
func TestEmulatorCorrupts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := emulate(t, network{corrupt: 1}, nil)
		for range 20 {
			p := queuetest.UDP("10.0.0.1:1", "10.0.0.2:2", make([]byte, 30)).Payload
			j := e.kernel.Inject(kerneltest.Packet{Payload: p, Hook: kerneltest.LocalOut})
			if got := j.Wait(); got != kerneltest.Accepted {
				t.Fatalf("a packet was %v, want Accepted", got)
			}
			wrong := 0
			for i, c := range j.Result().Packet.Payload {
				wrong += bits.OnesCount8(c ^ p[i])
				if c != p[i] && i < 20 {
					t.Errorf("byte %d of the IP header is wrong", i)
				}
			}
			if wrong != 1 {
				t.Errorf("%d bits are wrong, want 1", wrong)
			}
		}
		j := e.kernel.Inject(kerneltest.Packet{Payload: make([]byte, size)}) // no IP packet
		if got := j.Wait(); got != kerneltest.Accepted {
			t.Errorf("a packet was %v, want Accepted", got)
		}
		e.end()
		if e.stats.corrupted != 20 || e.stats.uncorrupted != 1 {
			t.Errorf("%d corrupted and %d not, want 20 and 1", e.stats.corrupted, e.stats.uncorrupted)
		}
	})
}

func TestReport(t *testing.T) {
	e := &emulator{stats: stats{
		arrived: 10, lost: 2, reordered: 3, passed: 4, duplicated: 5, undoubled: 9, corrupted: 11, uncorrupted: 12, failed: 1,
		mostHeld: 6, delay: 4 * time.Second,
	}}
	s := queue.Stats{Refused: 6, Kernel: queue.KernelStats{QueueDropped: 7, SocketDropped: 8}}
	const want = `arrived        10
lost           2
passed         4
reordered      3
duplicated     5
not duplicated 9
corrupted      11
not corrupted  12
mean delay     1s
most held      6
over the limit 7
not delivered  8
failed         7
`
	if got := e.report(s); got != want {
		t.Errorf("report:\n%swant:\n%s", got, want)
	}
}
