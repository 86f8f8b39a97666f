package queue_test

import (
	"errors"
	"testing"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/queue"
)

func TestDecideUpTo(t *testing.T) {
	for name, config := range map[string]queue.Config{
		"":             {},
		"with refusal": {OnRefused: func(uint64, error) {}},
	} {
		t.Run(name, func(t *testing.T) {
			simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
				s.open(config)
				j := s.inject(200)
				packets := s.nextN(150) // the rest are in the channel or in the kernel
				s.ok(packets[3].Drop())
				if n, err := packets[129].DecideUpTo(queue.Verdict{Action: queue.Accept}); n != 129 || err != nil {
					s.Fatalf("DecideUpTo = %d, %v, want 129, nil", n, err)
				}
				s.quiet()
				s.fates(j[:3], kerneltest.Accepted)
				s.fate(j[3], kerneltest.Dropped)
				s.fates(j[4:130], kerneltest.Accepted)
				s.fates(j[130:], kerneltest.Pending)
				if err := packets[7].Drop(); !errors.Is(err, queue.ErrDecided) {
					s.Errorf("Drop after DecideUpTo: %v, want %v", err, queue.ErrDecided)
				}
				if n, err := packets[129].DecideUpTo(queue.Verdict{Action: queue.Drop}); n != 0 || err != nil {
					s.Errorf("DecideUpTo again = %d, %v, want 0, nil", n, err)
				}
				if n := s.stats(); n.Decided != 130 || n.Accepted != 129 {
					s.Errorf("%d decided, %d accepted, want 130, 129", n.Decided, n.Accepted)
				}
			})
		})
	}
}

// Each packet keeps the bits of its own mark that the verdict does not change.
func TestDecideUpToMarkMask(t *testing.T) {
	simulate(t, nfqueueKinds, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		marks := []uint32{0x100, 0x203, 0, 0x30f}
		var journeys []*kerneltest.Journey
		for _, m := range marks {
			journeys = append(journeys, s.injectPacket(kerneltest.Packet{Mark: m}))
		}
		packets := s.nextN(len(marks))
		v := queue.Verdict{Action: queue.Accept, Mark: 0x4, MarkMask: 0xf}
		if n, err := packets[3].DecideUpTo(v); n != 4 || err != nil {
			s.Fatalf("DecideUpTo = %d, %v, want 4, nil", n, err)
		}
		s.quiet()
		for i, j := range journeys {
			if got, want := j.Result().Packet.Mark, marks[i]&^0xf|0x4; got != want {
				s.Errorf("packet %d has mark %#x, want %#x", i, got, want)
			}
		}
	})
}

// TestDecideUpToDecidedPacket calls DecideUpTo on a packet that already has a
// verdict. The earlier packets are decided.
func TestDecideUpToDecidedPacket(t *testing.T) {
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		j := s.inject(3)
		packets := s.nextN(3)
		s.ok(packets[1].Drop())
		s.quiet()
		if n, err := packets[1].DecideUpTo(queue.Verdict{Action: queue.Accept}); n != 1 || err != nil {
			s.Errorf("DecideUpTo = %d, %v, want 1, nil", n, err)
		}
		s.quiet()
		s.fate(j[0], kerneltest.Accepted)
		s.fate(j[2], kerneltest.Pending)
	})
}

func TestDecideUpToWithMark(t *testing.T) {
	simulate(t, []kind{nfqueueKind}, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		j := s.inject(3)
		packets := s.nextN(3)
		if n, err := packets[1].DecideUpTo(queue.Verdict{Action: queue.Accept, Mark: 7}); n != 2 || err != nil {
			s.Fatalf("DecideUpTo = %d, %v, want 2, nil", n, err)
		}
		s.quiet()
		for i, want := range []uint32{7, 7, 0} {
			if got := j[i].Result().Packet.Mark; got != want {
				s.Errorf("packet %d has mark %d, want %d", i, got, want)
			}
		}
	})
}

// A change of the conntrack entry goes to each packet's own connection, and is
// no reason to refuse the verdict where there is none.
func TestDecideUpToConntrack(t *testing.T) {
	track(t, func(s *sim) {
		entries := []*kerneltest.Conntrack{simEntry(), nil, simEntry(), simEntry()}
		var j []*kerneltest.Journey
		for _, entry := range entries {
			j = append(j, s.injectPacket(kerneltest.Packet{Conntrack: entry}))
		}
		p := s.nextN(4)[2]
		v := queue.Verdict{Action: queue.Accept, Conntrack: queue.CTChange{Mark: 9, SetStatus: queue.CTAssured}}
		if n, err := p.DecideUpTo(v); n != 0 || !errors.Is(err, queue.ErrInvalid) {
			s.Errorf("DecideUpTo(%v) = %d, %v, want 0, %v", v, n, err, queue.ErrInvalid)
		}
		v.Conntrack.SetStatus = 0
		if n, err := p.DecideUpTo(v); n != 3 || err != nil {
			s.Errorf("DecideUpTo(%v) = %d, %v, want 3, nil", v, n, err)
		}
		s.quiet()
		s.fates(j[:3], kerneltest.Accepted)
		for i, want := range []uint32{9, 0, 9, 5} {
			if entries[i] != nil && j[i].Result().Packet.Conntrack.Mark != want {
				s.Errorf("connection %d has mark %d, want %d", i, j[i].Result().Packet.Conntrack.Mark, want)
			}
		}
	})
}

func TestDecideUpToRefuses(t *testing.T) {
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		j := s.inject(2)
		p := s.nextN(2)[1]
		for _, test := range []struct {
			v    queue.Verdict
			want error
		}{
			{queue.Verdict{}, queue.ErrInvalid},
			{queue.Verdict{Action: 99}, queue.ErrInvalid},
			{queue.Verdict{Action: queue.Accept, Payload: p.Payload}, queue.ErrInvalid},
			{queue.Verdict{Action: queue.Accept, LinkHeader: make([]byte, 14)}, queue.ErrInvalid},
			{queue.Verdict{Action: queue.Accept, VLAN: queue.VLAN{Protocol: 0x8100, TCI: 1}}, queue.ErrInvalid},
		} {
			if n, err := p.DecideUpTo(test.v); n != 0 || !errors.Is(err, test.want) {
				s.Errorf("DecideUpTo(%+v) = %d, %v, want 0, %v", test.v, n, err, test.want)
			}
		}
		if s.kind == ipqueueKind {
			if n, err := p.DecideUpTo(queue.Verdict{Action: queue.Accept, Mark: 1}); n != 0 || !errors.Is(err, queue.ErrUnsupported) {
				s.Errorf("DecideUpTo with a mark on ip_queue = %d, %v, want 0, %v", n, err, queue.ErrUnsupported)
			}
		}
		s.fates(j, kerneltest.Pending)
		s.q.Close()
		for _, p := range []queue.Packet{p, {}} {
			if n, err := p.DecideUpTo(queue.Verdict{Action: queue.Accept}); n != 0 || !errors.Is(err, queue.ErrClosed) {
				s.Errorf("DecideUpTo after Close = %d, %v, want 0, %v", n, err, queue.ErrClosed)
			}
		}
	})
}
