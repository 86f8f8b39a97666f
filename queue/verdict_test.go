package queue_test

import (
	"bytes"
	"errors"
	"math"
	"net"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/queue"
)

// The verdicts of include/uapi/linux/netfilter.h.
const (
	nfDrop   = 0
	nfAccept = 1
	nfQueue  = 3
	nfRepeat = 4
	nfStop   = 5
)

func TestActions(t *testing.T) {
	for _, tt := range []struct {
		action queue.Action
		call   func(p queue.Packet) error // nil: only Decide can say it
		word   uint32
		fate   kerneltest.Fate
		again  bool
	}{
		{queue.Accept, queue.Packet.Accept, nfAccept, kerneltest.Accepted, false},
		{queue.Drop, queue.Packet.Drop, nfDrop, kerneltest.Dropped, false},
		{queue.Stop, nil, nfStop, kerneltest.Stopped, false},
		{queue.Repeat, queue.Packet.Repeat, nfRepeat, kerneltest.Pending, true},
	} {
		t.Run(tt.action.String(), func(t *testing.T) {
			simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
				s.open(queue.Config{})
				for _, call := range []func(queue.Packet) error{
					tt.call,
					func(p queue.Packet) error { return p.Decide(queue.Verdict{Action: tt.action}) },
				} {
					if call == nil {
						continue
					}
					j := s.injectOne()
					s.ok(call(s.next()))
					s.fate(j, tt.fate)
					r := j.Result()
					if len(r.Verdicts) != 1 || r.Verdicts[0].Word != tt.word {
						s.Fatalf("the kernel got %+v, want one verdict %d", r.Verdicts, tt.word)
					}
					if tt.again {
						s.ok(s.next().Accept())
						s.fate(j, kerneltest.Accepted)
					}
				}
			})
		})
	}
}

// TestVerdictWords gives every action, valid or not, with everything that could
// put stray bits into the verdict's word: with ACCEPT or REPEAT they would skip
// hooks. The kernel gets exact words or none.
func TestVerdictWords(t *testing.T) {
	words := map[queue.Action]uint32{
		queue.Accept: nfAccept, queue.Drop: nfDrop, queue.Repeat: nfRepeat, queue.Stop: nfStop,
	}
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		for a := range 256 {
			a := queue.Action(a)
			if a == queue.Requeue {
				continue
			}
			for _, v := range []queue.Verdict{{Action: a}, {Action: a, Payload: s.datagram(9)}, {Action: a, Number: 0xffff, Bypass: true, Mark: 0xffffffff}} {
				j := s.injectOne()
				err := s.next().Decide(v)
				s.quiet()
				got := j.Result().Verdicts
				word, known := words[a]
				switch {
				case err != nil && len(got) != 0:
					s.Errorf("%+v: %v, but the kernel got %+v", v, err, got)
				case err == nil && (!known || len(got) != 1 || got[0].Word != word):
					s.Errorf("%+v: the kernel got %+v, want one verdict %d", v, got, word)
				case err != nil && known && s.isNFQueue():
					s.Errorf("%+v: %v", v, err)
				}
				if a == queue.Repeat && err == nil {
					s.ok(s.next().Accept())
				}
			}
		}
	})
}

// TestRequeueIPQueue puts a packet at the end of the same queue.
func TestRequeueIPQueue(t *testing.T) {
	simulate(t, kinds()[1:], kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		j := s.injectOne()
		s.ok(s.next().Decide(queue.Verdict{Action: queue.Requeue}))
		s.quiet()
		s.ok(s.next().Accept())
		s.fate(j, kerneltest.Accepted)
		if got := j.Result().Verdicts; len(got) != 2 || got[0].Word != nfQueue {
			s.Errorf("the kernel got %+v, want QUEUE and ACCEPT", got)
		}
	})
}

// TestVerdictFields sends all that only nfnetlink_queue takes.
func TestVerdictFields(t *testing.T) {
	header := []byte{2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8, 8, 0}
	for name, tt := range map[string]struct {
		p    kerneltest.Packet
		v    queue.Verdict
		fate kerneltest.Fate
		word uint32
		look func(p kerneltest.Packet) bool
	}{
		"mark": {kerneltest.Packet{Mark: 1}, queue.Verdict{Action: queue.Accept, Mark: 0x80000002},
			kerneltest.Accepted, nfAccept, func(p kerneltest.Packet) bool { return p.Mark == 0x80000002 }},
		"mark left": {kerneltest.Packet{Mark: 5}, queue.Verdict{Action: queue.Accept, Priority: 3},
			kerneltest.Accepted, nfAccept, func(p kerneltest.Packet) bool { return p.Mark == 5 && p.Priority == 3 }},
		"mark to zero": {kerneltest.Packet{Mark: 5}, queue.Verdict{Action: queue.Accept, MarkMask: ^uint32(0)},
			kerneltest.Accepted, nfAccept, func(p kerneltest.Packet) bool { return p.Mark == 0 }},
		"mark in a mask": {kerneltest.Packet{Mark: 0xff05}, queue.Verdict{Action: queue.Accept, Mark: 0x02, MarkMask: 0x0f},
			kerneltest.Accepted, nfAccept, func(p kerneltest.Packet) bool { return p.Mark == 0xff02 }},
		"mark bits cleared": {kerneltest.Packet{Mark: 0xff05}, queue.Verdict{Action: queue.Accept, MarkMask: 0xff},
			kerneltest.Accepted, nfAccept, func(p kerneltest.Packet) bool { return p.Mark == 0xff00 }},
		"priority to zero": {kerneltest.Packet{Priority: 5}, queue.Verdict{Action: queue.Accept, ZeroPriority: true},
			kerneltest.Accepted, nfAccept, func(p kerneltest.Packet) bool { return p.Priority == 0 }},
		"repeat with the mark that passes": {kerneltest.Packet{PassMark: 9}, queue.Verdict{Action: queue.Repeat, Mark: 9},
			kerneltest.Accepted, nfRepeat, func(p kerneltest.Packet) bool { return p.Mark == 9 }},
		"stop with mark": {kerneltest.Packet{}, queue.Verdict{Action: queue.Stop, Mark: 9},
			kerneltest.Stopped, nfStop, func(p kerneltest.Packet) bool { return p.Mark == 9 }},
		"drop with mark": {kerneltest.Packet{}, queue.Verdict{Action: queue.Drop, Mark: 9},
			kerneltest.Dropped, nfDrop, func(kerneltest.Packet) bool { return true }},
		"requeue to nobody": {kerneltest.Packet{}, queue.Verdict{Action: queue.Requeue, Number: 0x1234},
			kerneltest.Unheard, 0x1234<<16 | nfQueue, func(kerneltest.Packet) bool { return true }},
		"requeue to nobody, bypass": {kerneltest.Packet{}, queue.Verdict{Action: queue.Requeue, Number: 5, Bypass: true},
			kerneltest.Bypassed, 5<<16 | 0x8000 | nfQueue, func(kerneltest.Packet) bool { return true }},
		"requeue with mark": {kerneltest.Packet{}, queue.Verdict{Action: queue.Requeue, Number: simNumber, Mark: 3},
			kerneltest.Pending, simNumber<<16 | nfQueue, func(p kerneltest.Packet) bool { return p.Mark == 3 }},
		"number without requeue": {kerneltest.Packet{}, queue.Verdict{Action: queue.Accept, Number: 5, Bypass: true, Mark: 1},
			kerneltest.Accepted, nfAccept, func(kerneltest.Packet) bool { return true }},
		"VLAN": {kerneltest.Packet{Family: kerneltest.Bridge, VLAN: &kerneltest.VLAN{Protocol: 0x8100, TCI: 5}},
			queue.Verdict{Action: queue.Accept, VLAN: queue.VLAN{Protocol: 0x88a8, TCI: 0x2fff}},
			kerneltest.Accepted, nfAccept, func(p kerneltest.Packet) bool {
				return p.VLAN != nil && *p.VLAN == kerneltest.VLAN{Protocol: 0x88a8, TCI: 0x2fff}
			}},
		"link header": {kerneltest.Packet{Family: kerneltest.Bridge, LinkHeader: make([]byte, 14)},
			queue.Verdict{Action: queue.Accept, LinkHeader: header},
			kerneltest.Accepted, nfAccept, func(p kerneltest.Packet) bool { return bytes.Equal(p.LinkHeader, header) }},
		"everything": {kerneltest.Packet{Family: kerneltest.Bridge, LinkHeader: make([]byte, 14)},
			queue.Verdict{Action: queue.Accept, LinkHeader: header, VLAN: queue.VLAN{Protocol: 0x8100, TCI: 1}, Mark: 2,
				Priority: 3, Payload: make([]byte, 90), Raw: true},
			kerneltest.Accepted, nfAccept, func(p kerneltest.Packet) bool {
				return p.Mark == 2 && p.Priority == 3 && p.VLAN.TCI == 1 && bytes.Equal(p.LinkHeader, header) &&
					bytes.Equal(p.Payload, make([]byte, 90))
			}},
	} {
		t.Run(name, func(t *testing.T) {
			simulate(t, []kind{nfqueueKind}, kerneltest.Options{}, func(s *sim) {
				s.open(queue.Config{})
				j := s.injectPacket(tt.p)
				s.ok(s.next().Decide(tt.v))
				s.fate(j, tt.fate)
				r := j.Result()
				if len(r.Verdicts) != 1 || r.Verdicts[0].Word != tt.word {
					s.Errorf("the kernel got %+v, want one verdict %#x", r.Verdicts, tt.word)
				}
				if !tt.look(r.Packet) {
					s.Errorf("the packet is now %+v", r.Packet)
				}
			})
		})
	}
}

// wantRefused fails the test unless the verdict is refused with want, nothing
// is sent, and the packet can still be decided.
func (s *sim) wantRefused(p queue.Packet, j *kerneltest.Journey, v queue.Verdict, want error) {
	s.Helper()
	s.forget()
	err := p.Decide(v)
	if !errors.Is(err, want) {
		s.Errorf("%v, want %v", err, want)
	}
	var op *queue.OpError
	if !errors.As(err, &op) || op.Op == "" || !strings.Contains(op.Queue, "queue") {
		s.Errorf("%#v is no OpError with operation and queue", err)
	}
	s.quiet()
	if n := len(s.sentSoFar()); n != 0 {
		s.Errorf("%d datagrams were sent", n)
	}
	s.fate(j, kerneltest.Pending)
	if err := p.Accept(); err != nil {
		s.Errorf("Accept afterwards: %v", err)
	}
	s.fate(j, kerneltest.Accepted)
	if r := j.Result(); r.Replaced || r.Packet.Mark != 0 {
		s.Errorf("the refused verdict left something in the next: %+v", r.Packet)
	}
}

func TestVerdictRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		v    queue.Verdict
		want error
	}{
		"no action":                  {queue.Verdict{}, queue.ErrInvalid},
		"unknown action":             {queue.Verdict{Action: queue.Requeue + 1}, queue.ErrInvalid},
		"action of 255":              {queue.Verdict{Action: math.MaxUint8}, queue.ErrInvalid},
		"no action, payload":         {queue.Verdict{Payload: simUDP(false, nil)}, queue.ErrInvalid},
		"empty":                      {queue.Verdict{Action: queue.Accept, Payload: []byte{}}, queue.ErrInvalid},
		"empty, raw":                 {queue.Verdict{Action: queue.Accept, Payload: []byte{}, Raw: true}, queue.ErrInvalid},
		"one byte":                   {queue.Verdict{Action: queue.Accept, Payload: []byte{0x45}}, queue.ErrInvalid},
		"19 bytes, raw":              {queue.Verdict{Action: queue.Accept, Payload: make([]byte, 19), Raw: true}, queue.ErrInvalid},
		"70000 bytes":                {queue.Verdict{Action: queue.Accept, Payload: make([]byte, 70000)}, queue.ErrInvalid},
		"70000 bytes, raw":           {queue.Verdict{Action: queue.Accept, Payload: make([]byte, 70000), Raw: true}, queue.ErrInvalid},
		"65536 bytes, dropped":       {queue.Verdict{Action: queue.Drop, Payload: make([]byte, 65536)}, queue.ErrInvalid},
		"VLAN of no bridge":          {queue.Verdict{Action: queue.Accept, VLAN: queue.VLAN{TCI: 1}}, queue.ErrUnsupported},
		"link header of no bridge":   {queue.Verdict{Action: queue.Accept, LinkHeader: make([]byte, 14)}, queue.ErrUnsupported},
		"no link header, not absent": {queue.Verdict{Action: queue.Accept, LinkHeader: []byte{}}, queue.ErrUnsupported},
	} {
		t.Run(name, func(t *testing.T) {
			simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
				s.open(queue.Config{})
				j := s.injectOne()
				s.wantRefused(s.next(), j, tt.v, tt.want)
			})
		})
	}
}

// TestVerdictUnsupported gives ip_queue verdicts that it does not support.
func TestVerdictUnsupported(t *testing.T) {
	for field, v := range map[string]queue.Verdict{
		"Mark":       {Action: queue.Accept, Mark: 1},
		"MarkMask":   {Action: queue.Accept, MarkMask: ^uint32(0)},
		"Priority":   {Action: queue.Repeat, Priority: 1},
		"Number":     {Action: queue.Requeue, Number: 1},
		"Bypass":     {Action: queue.Requeue, Bypass: true},
		"VLAN":       {Action: queue.Accept, VLAN: queue.VLAN{Protocol: 0x8100}},
		"LinkHeader": {Action: queue.Accept, LinkHeader: make([]byte, 14)},
		"Conntrack":  {Action: queue.Accept, Conntrack: queue.CTChange{Mark: 1}},
	} {
		t.Run(field, func(t *testing.T) {
			simulate(t, kinds()[1:], kerneltest.Options{}, func(s *sim) {
				s.open(queue.Config{})
				j := s.injectOne()
				p := s.next()
				if err := p.Decide(v); !strings.Contains(err.Error(), strings.TrimPrefix(field, "Zero")) {
					s.Errorf("%q does not name the field", err)
				}
				s.wantRefused(p, j, v, queue.ErrUnsupported)
			})
		})
	}
}

// TestLinkHeaderLength gives a link header of another length than the frame's.
func TestLinkHeaderLength(t *testing.T) {
	simulate(t, []kind{nfqueueKind}, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		j := s.injectPacket(kerneltest.Packet{Family: kerneltest.Bridge, LinkHeader: make([]byte, 14)})
		s.wantRefused(s.next(), j, queue.Verdict{Action: queue.Accept, LinkHeader: make([]byte, 18)}, queue.ErrInvalid)
	})
}

// every are all ways to give a verdict.
var every = map[string]func(queue.Packet) error{
	"Accept":      queue.Packet.Accept,
	"Drop":        queue.Packet.Drop,
	"Repeat":      queue.Packet.Repeat,
	"Replace":     func(p queue.Packet) error { return p.Replace(simUDP(p.Family == queue.IPv6, nil)) },
	"ReplaceRaw":  func(p queue.Packet) error { return p.ReplaceRaw(simUDP(p.Family == queue.IPv6, nil)) },
	"Replace nil": func(p queue.Packet) error { return p.Replace(nil) },
	"Decide":      func(p queue.Packet) error { return p.Decide(queue.Verdict{Action: queue.Stop}) },
}

func TestVerdictTwice(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		j := s.injectOne()
		p := s.next()
		twin := p
		s.ok(p.Accept())
		s.fate(j, kerneltest.Accepted)
		s.forget()
		for name, call := range every {
			for _, p := range []queue.Packet{p, twin} {
				if err := call(p); !errors.Is(err, queue.ErrDecided) {
					s.Errorf("second verdict by %s: %v, want ErrDecided", name, err)
				}
			}
		}
		s.quiet()
		if n := len(s.sentSoFar()); n != 0 {
			s.Errorf("%d datagrams were sent", n)
		}
	})
}

// TestVerdictStale decides a packet whose slot now holds another one.
func TestVerdictStale(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		var old []queue.Packet
		for range 200 {
			j := s.injectOne()
			p := s.next()
			for _, o := range old {
				if err := o.Drop(); !errors.Is(err, queue.ErrDecided) {
					s.Fatalf("stale packet: %v, want ErrDecided", err)
				}
			}
			s.ok(p.Accept())
			s.fate(j, kerneltest.Accepted)
			old = append(old, p)
		}
	})
}

func TestVerdictAfterClose(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		s.inject(2)
		decided, p := s.next(), s.next()
		s.ok(decided.Accept())
		s.ok(s.q.Close())
		s.forget()
		for name, call := range every {
			for _, p := range []queue.Packet{decided, p} {
				if err := call(p); !errors.Is(err, queue.ErrClosed) || !errors.Is(err, net.ErrClosed) {
					s.Errorf("%s after Close: %v, want ErrClosed", name, err)
				}
			}
		}
		if n := len(s.sentSoFar()); n != 0 {
			s.Errorf("%d datagrams were sent", n)
		}
	})
}

func TestZeroPacket(t *testing.T) {
	var p queue.Packet
	for name, call := range every {
		if err := call(p); !errors.Is(err, queue.ErrClosed) {
			t.Errorf("%s: %v, want ErrClosed", name, err)
		}
	}
	if got := p.In().String() + p.PhysOut().Name() + p.SecurityContext(); got != "" {
		t.Errorf("zero Packet has %q", got)
	}
	if p.HardwareAddr() != nil || p.LinkHeader() != nil || p.Clone() != nil || !p.Time().IsZero() || p.GSO() || p.Truncated() {
		t.Error("zero Packet is not empty")
	}
}

func TestPacketSize(t *testing.T) {
	if got := unsafe.Sizeof(queue.Packet{}); unsafe.Sizeof(uintptr(0)) == 8 && got > 128 {
		t.Errorf("a Packet has %d bytes, want at most 128", got)
	}
}

// TestVerdictsInAnyOrder decides a batch from its end.
func TestVerdictsInAnyOrder(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		j := s.inject(100)
		packets := s.nextN(100)
		slices.Reverse(packets)
		for i, p := range packets {
			if i%2 == 0 {
				s.ok(p.Accept())
			} else {
				s.ok(p.Drop())
			}
		}
		s.quiet()
		for i, j := range j {
			want := kerneltest.Dropped
			if i%2 == 1 {
				want = kerneltest.Accepted
			}
			if got := j.Fate(); got != want {
				s.Errorf("fate of packet %d is %v, want %v", i, got, want)
			}
		}
	})
}
