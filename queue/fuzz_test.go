package queue_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/queue"
)

// FuzzReader feeds sequences of datagrams to a queue of each backend, as split
// by datagrams: the queue neither panics nor hangs, it accounts for each packet
// once, and it sends exactly one verdict for each id that it was shown.
func FuzzNFQueueReader(f *testing.F) { fuzzReader(f, nfqueueKind) }

func FuzzIPQueueReader(f *testing.F) { fuzzReader(f, ipqueueKind) }

func fuzzReader(f *testing.F, k kind) {
	for _, messages := range recorded(f, k) {
		f.Add(joined(messages...))
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		synctest.Test(t, func(t *testing.T) {
			s := newSim(t, k, kerneltest.Options{})
			s.open(queue.Config{MaxUndecided: 8, OnDeadline: queue.Accept})
			s.feed(datagrams(input))
		})
	})
}

// A fuzzed is one datagram of a fuzzer's input.
type fuzzed struct {
	from  uint32
	pad   int // bytes added, to be cut off when it is received
	bytes []byte
}

// datagrams splits the input: a byte of flags (1: a foreign sender, 2: longer
// than the receive buffer), the length, the bytes.
func datagrams(input []byte) (list []fuzzed) {
	for len(input) >= 3 && len(list) < 64 {
		var d fuzzed
		if input[0]&1 != 0 {
			d.from = 99
		}
		if input[0]&2 != 0 {
			d.pad = 128 << 10
		}
		n := min(int(binary.LittleEndian.Uint16(input[1:])), len(input)-3)
		d.bytes, input = input[3:3+n], input[3+n:]
		list = append(list, d)
	}
	return list
}

// joined is the input that datagrams splits into these.
func joined(list ...fuzzed) (input []byte) {
	for _, d := range list {
		var flags byte
		if d.from != 0 {
			flags |= 1
		}
		if d.pad != 0 {
			flags |= 2
		}
		input = append(input, flags)
		input = binary.LittleEndian.AppendUint16(input, uint16(len(d.bytes)))
		input = append(input, d.bytes...)
	}
	return input
}

// feed delivers the datagrams, decides every packet that comes of them, and
// compares the verdicts sent with the packets received.
func (s *sim) feed(list []fuzzed) {
	shown := 0
	for p := range s.pour(list) {
		shown++
		_ = p.Mark + uint32(len(p.LinkHeader())+len(p.SecurityContext())+len(p.HardwareAddr()))
		_, _ = p.In().String(), p.Out().String()
		var err error
		if shown%3 == 0 {
			err = p.ReplaceRaw(s.datagram(shown))
		} else {
			err = p.Drop()
		}
		if err != nil && !isGone(err) && p.Family != queue.Bridge {
			s.Errorf("packet %#x: %v", p.ID, err)
		}
		if err == nil && p.Accept() == nil {
			s.Errorf("packet %#x took a second verdict", p.ID)
		}
	}
	n := s.stats()
	if n.Undecided != 0 {
		s.Errorf("%d packets are undecided", n.Undecided)
	}
	if got, want := uint64(len(s.messages())), n.Decided+n.Damaged; got != want {
		s.Errorf("%d verdicts sent, want %d: %+v", got, want, n)
	}
	if uint64(shown) != n.Received-n.Damaged {
		s.Errorf("%d packets shown, %d received, %d damaged", shown, n.Received, n.Damaged)
	}
}

// pour delivers datagrams and yields what comes of them.
func (s *sim) pour(list []fuzzed) func(yield func(queue.Packet) bool) {
	return func(yield func(queue.Packet) bool) {
		packets := s.q.Packets()
		for _, d := range list {
			s.socket().Deliver(d.from, append(append([]byte(nil), d.bytes...), make([]byte, d.pad)...))
		}
		for {
			select {
			case p, ok := <-packets:
				if !ok || !yield(p) {
					return
				}
			case <-time.After(time.Second):
				return
			}
		}
	}
}

// recorded are sequences of datagrams as the simulated kernel sends them.
func recorded(t testing.TB, k kind) (all [][]fuzzed) {
	files, err := filepath.Glob("testdata/datagrams/" + k.modulesName() + "-*.bin")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, datagrams(b))
	}
	return all
}
