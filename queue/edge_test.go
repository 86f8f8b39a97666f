package queue_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/queue"
)

// TestBadVerdictBesideGood decides the same packets from two goroutines, one of
// which gives invalid verdicts. Each verdict of the other succeeds. It uses
// real time, because in virtual time the two would not overlap.
func TestBadVerdictBesideGood(t *testing.T) {
	tooLong := make([]byte, 70000)
	for _, processors := range []int{1, 2} {
		t.Run(fmt.Sprint("GOMAXPROCS ", processors), func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(processors))
			k := kerneltest.New(kerneltest.Options{})
			q, err := queue.Open(sock.WithKernel(t.Context(), k), queue.Config{})
			if err != nil {
				t.Fatal(err)
			}
			defer q.Close()
			const n = 1000
			packets := make(chan queue.Packet)
			go func() {
				for p := range packets {
					_ = p.Replace(tooLong)
					_ = p.Decide(queue.Verdict{Action: queue.Accept, VLAN: queue.VLAN{Protocol: 0x8100, TCI: 1}})
					_ = p.Decide(queue.Verdict{Action: queue.Accept, Mark: 2, MarkMask: 1})
				}
			}()
			defer close(packets)
			for i := range n {
				k.Inject(kerneltest.Packet{Payload: simUDP(false, pattern(9))})
				p := <-q.Packets()
				packets <- p
				switch i % 4 {
				case 0:
					err = p.Accept()
				case 1:
					err = p.Replace(p.Payload)
				case 2:
					err = p.Decide(queue.Verdict{Action: queue.Drop, Mark: 7})
				case 3:
					var decided int
					if decided, err = p.DecideUpTo(queue.Verdict{Action: queue.Accept}); decided != 1 {
						t.Errorf("packet %d: DecideUpTo decided %d packets", i, decided)
					}
				}
				if err != nil {
					t.Fatalf("packet %d: %v", i, err)
				}
			}
			if s := q.Stats(); s.Undecided > 1 || s.Received != n {
				t.Errorf("%d received, %d undecided", s.Received, s.Undecided)
			}
		})
	}
}

// TestFarIDs holds a packet while the kernel numbers billions of others: with
// OnClose Accept it is accepted all the same, and so is what was not read.
func TestFarIDs(t *testing.T) {
	for _, far := range []uint32{1 << 20, 1<<30 + 5, 1<<31 - 3, 1<<31 + 5, 1<<32 - 9} {
		for _, telling := range []bool{false, true} {
			t.Run(fmt.Sprint(far, telling), func(t *testing.T) {
				simulate(t, []kind{nfqueueKind}, kerneltest.Options{}, func(s *sim) {
					c := queue.Config{OnClose: queue.Accept, MaxUndecided: 20}
					if telling {
						s.openTelling(c)
					} else {
						s.open(c)
					}
					j := s.inject(1)
					s.next()
					s.kernel.SetLastID(simNumber, far)
					j = append(j, s.inject(50)...)
					s.next()
					s.ok(s.q.Close())
					s.fates(j, kerneltest.Accepted)
				})
			})
		}
	}
}

// TestFarIDsDecided decides such packets together.
func TestFarIDsDecided(t *testing.T) {
	for _, far := range []uint32{1<<30 + 5, 1<<31 + 5} {
		simulate(t, []kind{nfqueueKind}, kerneltest.Options{}, func(s *sim) {
			s.open(queue.Config{})
			j := s.inject(1)
			first := s.next()
			s.kernel.SetLastID(simNumber, far)
			j = append(j, s.inject(50)...)
			rest := s.nextN(50)
			s.none() // the socket was found empty
			s.ok(first.Accept())
			for _, p := range rest {
				s.ok(p.Accept())
			}
			s.fates(j, kerneltest.Accepted)
			if n := s.stats(); n.Refused != 0 {
				s.Errorf("%d refused", n.Refused)
			}
		})
	}
}

// TestUnsentDropIsNotAccepted closes the queue while the kernel has no memory
// for a Drop. OnClose Accept must not accept that packet.
func TestUnsentDropIsNotAccepted(t *testing.T) {
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{OnClose: queue.Accept})
		j := s.inject(3)
		packets := s.nextN(3)
		s.socket().FailSend(0, 1000, enobufs)
		s.ok(packets[1].Drop())
		s.ok(s.q.Close())
		if got := j[1].Fate(); got == kerneltest.Accepted {
			s.Errorf("the packet that was to be dropped is %v", got)
		}
		if n := s.q.Stats(); n.Abandoned != 3 || n.Dropped != 3 || n.Accepted != 0 {
			s.Errorf("%d abandoned, %d dropped, %d accepted, want 3, 3, 0", n.Abandoned, n.Dropped, n.Accepted)
		}
	})
}

// TestEmptyAttributes sends attributes of length 0, in memory that contained
// longer ones before.
func TestEmptyAttributes(t *testing.T) {
	simulate(t, []kind{nfqueueKind}, kerneltest.Options{}, func(s *sim) {
		tap := s.tapped()
		s.open(queue.Config{SecurityContext: true})
		for _, n := range []int{10, 600, 3000, 9000} {
			for range 3 {
				s.injectPacket(kerneltest.Packet{SecurityContext: []byte("secret"), Payload: s.datagram(n)})
				p := s.next()
				if got := p.SecurityContext(); got != "secret" {
					s.Errorf("label %q, want secret", got)
				}
				s.ok(p.Accept())
				s.quiet()
				const secCtx, link, ct = 18, 20, 11 // NFQA_SECCTX, NFQA_L2HDR, NFQA_CT
				tap.onReceive = func(d *sock.Datagram) {
					appendAttr(d, secCtx)
					appendAttr(d, link)
					appendAttr(d, ct)
				}
				s.injectPacket(kerneltest.Packet{Payload: s.datagram(n)})
				p = s.next()
				tap.onReceive = nil
				if got := p.SecurityContext(); got != "" {
					s.Errorf("label %q of no length", got)
				}
				if got := p.LinkHeader(); len(got) != 0 {
					s.Errorf("link header % x of no length", got)
				}
				if c, ok := p.Conntrack(); ok {
					s.Errorf("conntrack %v of no length", c)
				}
				s.ok(p.Accept())
				s.quiet()
			}
		}
	})
}

// TestEqualMarks gives many packets the same mark: it goes to the kernel once.
func TestEqualMarks(t *testing.T) {
	simulate(t, []kind{nfqueueKind}, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		for _, v := range []queue.Verdict{
			{Action: queue.Accept, Mark: 7},
			{Action: queue.Drop, Mark: 7},
			{Action: queue.Accept, Mark: 0x10, MarkMask: 0xf0},
			{Action: queue.Accept, MarkMask: ^uint32(0)},
			{Action: queue.Accept, Priority: 3},
			{Action: queue.Accept, Mark: 7, ZeroPriority: true},
		} {
			var j []*kerneltest.Journey
			for range 64 {
				j = append(j, s.injectPacket(kerneltest.Packet{Mark: 0x1234, Priority: 9}))
			}
			packets := s.nextN(64)
			s.none()
			s.forget()
			release := s.holdSends()
			go packets[0].Decide(v)
			synctest.Wait()
			for _, p := range packets[1:] {
				s.ok(p.Decide(v))
			}
			release()
			s.quiet()
			messages := 0
			for _, d := range s.sentSoFar() {
				for ; len(d) > 0; messages++ {
					d = d[s.order().Uint32(d):]
				}
			}
			if messages != 2 {
				s.Errorf("%v: %d messages for 64 packets, want 2", v, messages)
			}
			for i, j := range j {
				mark, priority := uint32(0x1234), uint32(9)
				if v.Mark|v.MarkMask != 0 {
					mask := v.MarkMask
					if mask == 0 {
						mask = ^uint32(0)
					}
					mark = mark&^mask | v.Mark
				}
				if v.Priority != 0 || v.ZeroPriority {
					priority = v.Priority
				}
				if got := j.Result().Packet; got.Mark != mark || got.Priority != priority {
					s.Errorf("%v: packet %d has mark %#x and priority %d, want %#x and %d", v, i, got.Mark, got.Priority, mark, priority)
				}
			}
		}
	})
}

// TestMarksDiffer masks marks that differ: each packet keeps its own bits.
func TestMarksDiffer(t *testing.T) {
	simulate(t, []kind{nfqueueKind}, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		var j []*kerneltest.Journey
		for i := range 64 {
			j = append(j, s.injectPacket(kerneltest.Packet{Mark: uint32(i/7) << 8}))
		}
		packets := s.nextN(64)
		s.none()
		release := s.holdSends()
		go packets[0].Accept()
		synctest.Wait()
		for _, p := range packets[1:] {
			s.ok(p.Decide(queue.Verdict{Action: queue.Accept, Mark: 5, MarkMask: 0xff}))
		}
		release()
		s.quiet()
		for i, j := range j[1:] {
			if got, want := j.Result().Packet.Mark, uint32((i+1)/7)<<8|5; got != want {
				s.Errorf("packet %d has mark %#x, want %#x", i+1, got, want)
			}
		}
	})
}

// TestLostAnswers fills the receive buffer so that refusals do not fit. They
// are counted, with and without OnRefused, and separately from lost packets.
func TestLostAnswers(t *testing.T) {
	for _, telling := range []bool{false, true} {
		for _, failOpen := range []bool{false, true} {
			simulate(t, []kind{nfqueueKind}, kerneltest.Options{}, func(s *sim) {
				c := queue.Config{FailOpen: failOpen}
				if telling {
					s.openTelling(c)
				} else {
					s.open(c)
				}
				s.inject(50)
				held := s.nextN(50)
				s.kernel.LosePackets(5)
				s.inject(10)
				s.ok(s.nextN(5)[4].Accept())
				s.kernel.RefuseVerdicts(20, enoent)
				s.kernel.LoseReplies(12)
				for _, p := range held {
					s.ok(p.Accept())
					s.quiet() // not together
				}
				n := s.stats()
				if n.Late != 8 || n.LostAnswers != 12 || n.Missed != 5 {
					s.Errorf("%d late, %d lost, %d missed, want 8, 12 and 5", n.Late, n.LostAnswers, n.Missed)
				}
				s.kernel.LosePackets(3)
				s.inject(100) // of which some stay unread
				s.quiet()
				s.ok(s.q.Close())
				if n := s.q.Stats(); n.LostAnswers != 12 {
					s.Errorf("%d lost after Close, want 12", n.LostAnswers)
				}
			})
		}
	}
}

// TestLostAnswersOfTraffic receives packets right after Stats has read the row
// of the kernel. They do not count as lost answers.
func TestLostAnswersOfTraffic(t *testing.T) {
	simulate(t, []kind{nfqueueKind}, kerneltest.Options{}, func(s *sim) {
		var k rowKernel
		k.Kernel = s.kernel
		s.ctx = sock.WithKernel(s.ctx, &k)
		s.open(queue.Config{})
		s.inject(3)
		held := s.nextN(3)
		k.socket.after = func() {
			s.inject(4)
			s.quiet()
		}
		n := s.q.Stats()
		k.socket.after = nil
		if n.Kernel.LastID != 3 || n.LostAnswers != 0 {
			s.Errorf("last id %d, %d answers lost, want 3 and 0", n.Kernel.LastID, n.LostAnswers)
		}
		for _, p := range append(held, s.nextN(4)...) {
			s.ok(p.Accept())
		}
	})
}

// A rowKernel is a kernel whose sockets call a function after the row of the
// kernel was read.
type rowKernel struct {
	*kerneltest.Kernel
	socket rowSocket
}

type rowSocket struct {
	sock.Socket
	after func() // if not nil
}

func (k *rowKernel) Open(c sock.Config) (sock.Socket, error) {
	var err error
	k.socket.Socket, err = k.Kernel.Open(c)
	return &k.socket, err
}

func (s *rowSocket) Status(b []byte, offset int64) (int, error) {
	n, err := s.Socket.Status(b, offset)
	if s.after != nil {
		s.after()
	}
	return n, err
}

// TestStopRequestFails makes the kernel refuse to stop queueing when the
// context ends: either temporarily, which has no effect, or permanently, which
// ends the queue with an error.
func TestStopRequestFails(t *testing.T) {
	for _, tt := range []struct {
		times int
		errno error
		want  error
	}{{20, enobufs, nil}, {1 << 20, enobufs, enobufs}, {1 << 20, econnrefused, econnrefused}} {
		simulate(t, both, kerneltest.Options{}, func(s *sim) {
			s.open(queue.Config{Grace: time.Hour})
			s.inject(2)
			p := s.next()
			s.socket().FailSend(0, tt.times, tt.errno)
			s.cancel(nil)
			time.Sleep(time.Second)
			if tt.want == nil {
				s.ok(p.Accept())
				s.ok(s.next().Accept())
			}
			s.quiet()
			s.ended()
			if err := s.q.Err(); !errors.Is(err, tt.want) || (tt.want == nil) != (err == nil) {
				s.Errorf("Err: %v, want %v", err, tt.want)
			}
			if n := len(s.kernel.Sockets()); n != 0 {
				s.Error("the socket is open")
			}
		})
	}
}

// TestCanceledCause ends contexts with causes that match context.Canceled, as
// signal.NotifyContext sets since Go 1.26, and with other causes.
func TestCanceledCause(t *testing.T) {
	for cause, plain := range map[error]bool{
		nil:              true,
		context.Canceled: true,
		fmt.Errorf("interrupt: %w", context.Canceled): true,
		errors.New("canceled"):                        false,
		context.DeadlineExceeded:                      false,
	} {
		simulate(t, both, kerneltest.Options{}, func(s *sim) {
			s.open(queue.Config{})
			s.q.Packets()
			s.cancel(cause)
			s.quiet()
			s.ended()
			if err := s.q.Err(); (err == nil) != plain || !plain && !errors.Is(err, cause) {
				s.Errorf("Err after cause %v: %v", cause, err)
			}
		})
	}
}

// TestLargestConfig opens a queue with the largest possible numbers.
func TestLargestConfig(t *testing.T) {
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{
			MaxUndecided: math.MaxInt, QueueLength: math.MaxInt, ReadBuffer: math.MaxInt,
			Deadline: math.MaxInt64, Grace: math.MaxInt64,
		})
		for range 3 {
			j := s.inject(300)
			for _, p := range s.nextN(300) {
				s.ok(p.Accept())
			}
			s.fates(j, kerneltest.Accepted)
		}
	})
	if _, err := queue.Open(t.Context(), queue.Config{Buffer: math.MaxInt}); !errors.Is(err, queue.ErrInvalid) {
		t.Errorf("Open with the largest Buffer: %v, want ErrInvalid", err)
	}
}

// TestDecideUpToReadsNothing calls DecideUpTo on a packet that was decided, and
// whose slot holds another one. The race detector reports it if that slot is
// read.
func TestDecideUpToReadsNothing(t *testing.T) {
	k := kerneltest.New(kerneltest.Options{})
	q, err := queue.Open(sock.WithKernel(t.Context(), k), queue.Config{Conntrack: true})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	old := make(chan queue.Packet, 1000)
	all.Go(func() {
		for p := range old {
			_, err := p.DecideUpTo(queue.Verdict{Action: queue.Accept, Conntrack: queue.CTChange{Mark: 1, Timeout: time.Hour, NoHelper: true}})
			if err != nil && !errors.Is(err, queue.ErrClosed) {
				t.Error(err)
			}
		}
	})
	for range 1000 {
		k.Inject(kerneltest.Packet{Payload: simUDP(false, pattern(9)), Conntrack: simEntry()})
		p := <-q.Packets()
		_ = p.Accept()
		old <- p
	}
	close(old)
	all.Wait()
	if err := q.Close(); err != nil {
		t.Error(err)
	}
}

// TestLateVerdictsKeepBytes keeps payloads from being seen by others: what a
// packet's memory holds after a refused verdict is still its own.
func TestRefusedVerdictKeepsPayload(t *testing.T) {
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		want := s.datagram(500)
		s.injectPayload(want)
		p := s.next()
		if err := p.Replace(make([]byte, 70000)); !errors.Is(err, queue.ErrInvalid) {
			s.Errorf("%v, want ErrInvalid", err)
		}
		if !bytes.Equal(p.Payload, want) {
			s.Error("the payload changed")
		}
		s.ok(p.Accept())
	})
}
