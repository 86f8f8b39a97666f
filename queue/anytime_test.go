package queue_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"reflect"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/queue"
)

// calls are what may be called from any goroutine at any time. An error says
// that the queue is closed, or its context has ended.
func calls(ctx context.Context, q *queue.Queue) []func() error {
	return []func() error{
		func() error { q.Stats(); return nil },
		func() error { q.Err(); return nil },
		func() error { q.Packets(); q.Backend(); q.Number(); return nil },
		func() error { return q.SetMode(ctx, queue.Range(100)) },
		func() error { return q.SetMode(ctx, queue.WholePacket) },
		func() error {
			p, ok := <-q.Packets()
			if !ok {
				return queue.ErrClosed
			}
			_ = p.In().Name() // not the payload, whose life DecideUpTo ends
			return p.Accept()
		},
		func() error {
			p, ok := <-q.Packets()
			if !ok {
				return queue.ErrClosed
			}
			_, err := p.DecideUpTo(queue.Verdict{Action: queue.Accept})
			return err
		},
	}
}

// ends are the ways in which a queue ends.
var ends = map[string]func(s *sim){
	"Close":           func(s *sim) { s.q.Close() },
	"cancel":          func(s *sim) { s.cancel(nil) },
	"cancel, Close":   func(s *sim) { s.cancel(nil); s.q.Close() },
	"without a right": func(s *sim) { s.kernel.SetPrivileged(false) },
}

// TestAnyTime calls everything from several goroutines, before, while and after
// the queue ends. Each call returns, with an error if it did nothing.
func TestAnyTime(t *testing.T) {
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			simulate(t, both, kerneltest.Options{}, func(s *sim) {
				s.open(queue.Config{Buffer: 4, Deadline: time.Minute, MaxUndecided: 100})
				var all sync.WaitGroup
				for _, call := range calls(context.Background(), s.q) {
					for range 2 {
						all.Go(func() {
							for range 60 {
								err := call()
								if errors.Is(err, queue.ErrClosed) || errors.Is(err, queue.ErrDecided) || errors.Is(err, eperm) || errors.Is(err, enobufs) {
									runtime.Gosched()
								} else if err != nil {
									s.Errorf("%v", err)
								}
							}
						})
					}
				}
				// The channel's receivers take more packets than come before the end.
				for i := range 300 {
					s.injectPacket(kerneltest.Packet{In: eth0})
					if i == 150 {
						end(s)
					}
					runtime.Gosched()
				}
				s.quiet()
				s.q.Close()
				all.Wait()
				if n := s.stats(); n.Undecided != 0 {
					s.Errorf("%d packets are undecided after the end", n.Undecided)
				}
			})
		})
	}
}

// TestGroupAnyTime does the same with a group.
func TestGroupAnyTime(t *testing.T) {
	simulateGroup(t, queue.Config{Buffer: 2, Deadline: time.Minute}, func(s *groupSim) {
		var all sync.WaitGroup
		for _, call := range []func(){
			func() { s.g.Stats() },
			func() { s.g.Err() },
			func() { s.g.Queues() },
			func() { s.g.Packets() },
			func() {
				if p, ok := <-s.g.Packets(); ok {
					_ = p.Drop()
				}
			},
		} {
			for range 2 {
				all.Go(func() {
					for range 200 {
						call()
					}
				})
			}
		}
		s.inject(60)
		all.Go(func() { s.cancel() })
		for range 2 {
			all.Go(func() { s.g.Close() })
		}
		all.Wait()
		n := s.g.Stats()
		checkSum(s, n)
		if n.Undecided != 0 {
			s.Errorf("%d packets are undecided after Close", n.Undecided)
		}
	})
}

// TestCallbacksMayCall calls everything from OnRefused and from OnExpired, at
// last Close.
func TestCallbacksMayCall(t *testing.T) {
	for _, refused := range []bool{true, false} {
		simulate(t, both, kerneltest.Options{}, func(s *sim) {
			other := make(chan queue.Packet, 1)
			called := 0
			call := func() {
				if called++; called > 1 {
					return
				}
				s.ok((<-other).Accept())
				for i, call := range calls(s.ctx, s.q)[:5] {
					if err := call(); err != nil {
						s.Errorf("call %d: %v", i, err)
					}
				}
				s.ok(s.q.Close())
			}
			c := queue.Config{Deadline: time.Second}
			if refused {
				c.OnRefused = func(uint64, error) { call() }
			} else {
				c.OnExpired = func(queue.Packet) { call() }
			}
			s.open(c)
			s.injectOne()
			first := s.next()
			time.Sleep(time.Second / 2)
			s.injectOne()
			other <- s.next()
			if refused {
				s.kernel.RefuseVerdicts(1, enoent)
				s.ok(first.Accept())
			}
			time.Sleep(3 * time.Second / 4)
			s.ended()
			if called != 1 {
				s.Errorf("called %d times, want 1", called)
			}
		})
	}
}

// TestCallbacksOneAtATime makes many packets expire and many verdicts fail at
// once, from several goroutines. The callbacks are called one at a time, once
// for each.
func TestCallbacksOneAtATime(t *testing.T) {
	const n = 300
	k := kerneltest.New(kerneltest.Options{})
	var busy atomic.Bool
	var expired, refused atomic.Int32
	count := func(calls *atomic.Int32, busy *atomic.Bool) {
		if busy.Swap(true) {
			t.Error("two calls at a time")
		}
		runtime.Gosched()
		calls.Add(1)
		busy.Store(false)
	}
	var busyToo atomic.Bool
	q, err := queue.Open(sock.WithKernel(t.Context(), k), queue.Config{
		Deadline:  2 * time.Millisecond,
		OnExpired: func(queue.Packet) { count(&expired, &busy) },
		OnRefused: func(uint64, error) { count(&refused, &busyToo) },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	k.RefuseVerdicts(n/10, enoent)
	var given atomic.Int32
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for p := range q.Packets() {
				for range p.ID % 7 {
					time.Sleep(time.Millisecond)
				}
				if p.Accept() == nil {
					given.Add(1)
				}
			}
		})
	}
	for range n {
		k.Inject(kerneltest.Packet{Payload: simUDP(false, pattern(9))})
	}
	waitFor(t, func() bool {
		s := q.Stats()
		return s.Received == n && s.Undecided == 0 && uint64(expired.Load()) == s.Expired && uint64(refused.Load()) == s.Refused
	})
	q.Close()
	all.Wait()
	if s := q.Stats(); uint64(given.Load()) != s.Decided || s.Expired+s.Decided != n || s.Refused != n/10 {
		t.Errorf("%d verdicts taken: %v", given.Load(), s)
	}
}

// waitFor waits until ok returns true.
func waitFor(t testing.TB, ok func() bool) {
	t.Helper()
	for start := time.Now(); !ok(); time.Sleep(time.Millisecond) {
		if time.Since(start) > patience {
			t.Fatal("it does not come to that")
		}
	}
}

// TestPacketAnyGoroutine calls all methods of a packet that give no verdict, with
// all its metadata, from several goroutines at once.
func TestPacketAnyGoroutine(t *testing.T) {
	simulate(t, nfqueueKinds, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{Conntrack: true, SecurityContext: true, Owner: true, TrackAge: true})
		for range 20 {
			s.injectPacket(kerneltest.Packet{In: eth0, Out: eth1, Conntrack: simEntry(), SecurityContext: []byte("label"), HWAddr: []byte{1, 2, 3, 4, 5, 6}})
			p := s.next()
			want := readings(p)
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() {
					for i, got := range readings(p) {
						if !reflect.DeepEqual(got, want[i]) {
							s.Errorf("reading %d: %v, want %v", i, got, want[i])
						}
					}
				})
			}
			all.Wait()
			s.ok(p.Accept())
		}
	})
}

// readings are what the methods of a packet return that give no verdict.
func readings(p queue.Packet) (list []any) {
	v := reflect.ValueOf(p)
	for i := range v.NumMethod() {
		m := v.Type().Method(i)
		if m.Type.NumIn() > 1 || m.Name == "Accept" || m.Name == "Drop" || m.Name == "Repeat" {
			continue
		}
		for _, result := range v.Method(i).Call(nil) {
			got := result.Interface()
			if d, ok := got.(queue.Device); ok {
				got = d.Name()
			}
			list = append(list, got)
		}
	}
	return list
}

// TestZeroPacketMethods calls every method of the zero Packet: those that return
// an error return ErrClosed, or refuse to decode, and none panics.
func TestZeroPacketMethods(t *testing.T) {
	v := reflect.ValueOf(queue.Packet{})
	for i := range v.NumMethod() {
		m := v.Type().Method(i)
		var args []reflect.Value
		for k := 1; k < m.Type.NumIn(); k++ {
			args = append(args, reflect.Zero(m.Type.In(k)))
		}
		results := v.Method(i).Call(args)
		err, ok := results[len(results)-1].Interface().(error)
		if ok && m.Name != "IPv4" && m.Name != "IPv6" && !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: %v, want ErrClosed", m.Name, err)
		}
	}
}

// TestPayloadStaysAtEnd ends the queue while packets are held. Only a verdict
// of the application ends the life of a Payload.
func TestPayloadStaysAtEnd(t *testing.T) {
	for name, end := range ends {
		for action := range onClose {
			t.Run(name+" "+action.String(), func(t *testing.T) {
				simulate(t, both, kerneltest.Options{}, func(s *sim) {
					s.open(queue.Config{OnClose: action})
					for i := range 100 {
						s.injectPayload(s.datagram(i * 40))
					}
					held := s.nextN(100)
					for range 100 { // read by Close
						s.injectPayload(s.datagram(9))
					}
					last := held[99]
					if name == "without a right" {
						s.kernel.SetPrivileged(false)
						_ = last.Accept()
					} else {
						end(s)
					}
					time.Sleep(time.Second)
					synctest.Wait()
					s.q.Close()
					for i, p := range held[:99] {
						if !bytes.Equal(p.Payload, s.datagram(i*40)) {
							s.Fatalf("packet %d: the payload has changed", i)
						}
					}
				})
			})
		}
	}
}

// TestWhenFullNotInAll hangs in a loop over All, which has no channel.
func TestWhenFullNotInAll(t *testing.T) {
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{WhenFull: queue.Drop, Buffer: -1, Deadline: time.Minute})
		j := s.inject(200)
		for p := range s.q.All() {
			if p.ID == 1 {
				time.Sleep(time.Minute / 2)
			}
			s.ok(p.Accept())
			if s.q.Stats().Decided+s.q.Stats().Undecided == 200 && p.ID == j[199].Result().IDs[0] {
				break
			}
		}
		s.fates(j, kerneltest.Accepted)
		if n := s.stats(); n.Overflowed != 0 {
			s.Errorf("%d packets overflowed", n.Overflowed)
		}
	})
}
