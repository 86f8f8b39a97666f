package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/ipqueue/ipqueue/queue"
)

// flowFrom returns the flow of packets that a server sends to a client's port.
func flowFrom(port uint16) queue.Flow {
	return queue.Flow{
		Protocol:    protocolTCP,
		Source:      netip.MustParseAddrPort("192.0.2.53:53"),
		Destination: netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), port),
	}
}

// tcp returns a segment, starting at its TCP header.
func tcp(sequence uint32, flags byte, data []byte) []byte {
	b := make([]byte, 20, 20+len(data))
	binary.BigEndian.PutUint32(b[4:], sequence)
	b[12], b[13] = 5<<4, flags
	return append(b, data...)
}

// framed returns the messages with their lengths, as in a stream.
func framed(messages ...[]byte) []byte {
	var b []byte
	for _, m := range messages {
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(m))), m...)
	}
	return b
}

const isn = 0xffffff00 // so that sequence numbers wrap

func opened(t testing.TB) *sink {
	t.Helper()
	s := newSink(t, noName)
	s.judgeSegment(flowFrom(1000), tcp(isn-1, flagSYN|flagACK, nil))
	return s
}

func wantSegment(t *testing.T, s *sink, sequence uint32, flags byte, data []byte, want outcome, finding finding) {
	t.Helper()
	out, v := s.judgeSegment(flowFrom(1000), tcp(sequence, flags, data))
	if out != want || v.finding != finding {
		t.Errorf("segment at %d with %d bytes: outcome %d, finding %d (%v), want %d and %d", sequence-isn, len(data), out, v.finding, v.err, want, finding)
	}
}

func messages(t testing.TB) (fine, bad []byte) {
	t.Helper()
	return pack(t, response(ask("www.example.", dnsmessage.TypeA), address("www.example."))),
		pack(t, response(ask("www.example.", dnsmessage.TypeA), alias("www.example.", "x.ads.example.")))
}

// TestStreamCut cuts a stream in every way. Everything must pass except the
// segment that completes the listed message, and all later ones.
func TestStreamCut(t *testing.T) {
	fine, bad := messages(t)
	b := framed(fine, fine, bad, fine)
	end := len(framed(fine, fine, bad))
	for _, size := range []int{1, 2, 3, 7, 50, end - 1, end, len(b)} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			s := opened(t)
			at, end := 0, end
			for part := range slices.Chunk(b, size) {
				want, finding := passes, harmless
				switch {
				case at >= end && (at-end)/size%2 == 0:
					want = empties
				case at >= end:
					want = fails
				case at+len(part) >= end:
					end = at + len(part) // the end of the first refused segment
					want, finding = fails, listed
				}
				wantSegment(t, s, isn+uint32(at), flagACK, part, want, finding)
				at += len(part)
			}
		})
	}
}

// TestStreamShuffled sends segments late, early, twice, or with other bytes
// than before. Whatever its receiver keeps of those that pass, it must not be
// able to assemble a listed message.
func TestStreamShuffled(t *testing.T) {
	fine, bad := messages(t)
	b := framed(fine, bad, fine)
	end := len(framed(fine, bad))
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		s := opened(t)
		received := make([]bool, len(b))
		for range 2000 {
			from := max(0, random.IntN(len(b)+30)-30)
			to := from + 1 + random.IntN(min(60, len(b)-from))
			out, _ := s.judgeSegment(flowFrom(1000), tcp(isn+uint32(from), flagACK, b[from:to]))
			if out == passes {
				for i := from; i < to; i++ {
					received[i] = true
				}
			}
		}
		if !slices.Contains(received[:end], false) {
			t.Fatal("the whole listed message has passed")
		}
		for i := range end - 60 {
			if !received[i] {
				t.Fatalf("byte %d, before the end of the listed message, never passed", i)
			}
		}
	}
}

func TestStreamSentAgain(t *testing.T) {
	fine, bad := messages(t)
	b := framed(fine, fine)
	s := opened(t)
	wantSegment(t, s, isn, flagACK, b, passes, harmless)
	wantSegment(t, s, isn, flagACK, b, passes, harmless)
	wantSegment(t, s, isn+5, flagACK, b[5:9], passes, harmless)
	wantSegment(t, s, isn+uint32(len(b)), flagACK, nil, passes, harmless)
	wantSegment(t, s, isn-1, flagSYN|flagACK, nil, passes, harmless)
	wantSegment(t, s, isn-20, flagACK, make([]byte, 30), waits, harmless)          // older than everything
	wantSegment(t, s, isn+uint32(len(b))-1, flagACK, []byte{'?'}, waits, harmless) // a keep-alive
	wantSegment(t, s, isn+uint32(len(b))+1, flagACK, b, waits, harmless)           // a gap
	wantSegment(t, s, isn+uint32(len(framed(fine))), flagACK, framed(bad), fails, unreadable)
	wantSegment(t, s, isn+uint32(len(b)), flagACK, b, empties, harmless) // refused from now on
	wantSegment(t, s, isn-1, flagSYN|flagACK, nil, passes, harmless)
	wantSegment(t, s, isn, flagACK, b, fails, harmless)
	wantSegment(t, s, isn, flagACK, b, empties, harmless)
	wantSegment(t, s, 4711, flagSYN|flagACK, nil, passes, harmless) // another connection
	wantSegment(t, s, 4712, flagACK, b, passes, harmless)
}

func TestStreamUrgent(t *testing.T) {
	fine, _ := messages(t)
	wantSegment(t, opened(t), isn, flagACK|flagURG, framed(fine), fails, unreadable)
}

func TestStreamWithSYN(t *testing.T) {
	_, bad := messages(t)
	wantSegment(t, newSink(t, noName), isn-1, flagSYN|flagACK, framed(bad), fails, listed)
}

func TestStreamUnknown(t *testing.T) {
	fine, _ := messages(t)
	s := newSink(t, noName)
	wantSegment(t, s, isn, flagACK, nil, passes, harmless)
	wantSegment(t, s, isn, flagACK, framed(fine), fails, unreadable)
	wantSegment(t, s, isn, flagACK, framed(fine), empties, harmless)
	s = newSink(t, noName)
	s.lenient = true
	wantSegment(t, s, isn, flagACK, framed(fine), passes, unreadable)
}

func TestStreamUnreadable(t *testing.T) {
	fine, bad := messages(t)
	b := framed(fine[:len(fine)-1], bad)
	wantSegment(t, opened(t), isn, flagACK, b, fails, unreadable)
	s := opened(t)
	s.lenient = true
	wantSegment(t, s, isn, flagACK, b, fails, listed)
	s = opened(t)
	s.lenient = true
	wantSegment(t, s, isn, flagACK, framed(fine[:len(fine)-1], nil, fine), passes, unreadable)
}

// TestStreamMemory checks that a long stream needs memory only for one message
// and for data that may be retransmitted.
func TestStreamMemory(t *testing.T) {
	fine, _ := messages(t)
	s := opened(t)
	b := framed(fine)
	sequence := uint32(isn)
	for range 10000 {
		wantSegment(t, s, sequence, flagACK, b, passes, harmless)
		sequence += uint32(len(b))
	}
	if n := len(s.streams.all[flowFrom(1000)].data); n > 3*remembered {
		t.Errorf("%d bytes are remembered", n)
	}
	wantSegment(t, s, sequence-remembered, flagACK, make([]byte, 9), fails, unreadable)
}

// TestStreamsForget checks that the connection that was idle for longest is
// forgotten first.
func TestStreamsForget(t *testing.T) {
	fine, _ := messages(t)
	s := newSink(t, noName)
	for port := range uint16(maxStreams + 1) {
		s.judgeSegment(flowFrom(port), tcp(isn-1, flagSYN, nil))
		if out, _ := s.judgeSegment(flowFrom(0), tcp(isn, flagACK, framed(fine))); out != passes {
			t.Fatalf("the busy connection is forgotten after %d others", port)
		}
	}
	if n := len(s.streams.all); n != maxStreams {
		t.Errorf("%d streams, want %d", n, maxStreams)
	}
	if out, _ := s.judgeSegment(flowFrom(1), tcp(isn, flagACK, framed(fine))); out != fails {
		t.Error("the connection that was quiet is not forgotten")
	}
}

// FuzzStream checks that the segments that pass never contain a whole listed
// message.
func FuzzStream(f *testing.F) {
	fine, bad := messages(f)
	f.Add(framed(fine, bad), []byte{3, 200}, uint32(1<<31))
	f.Add(framed(bad), []byte{}, ^uint32(0))
	f.Fuzz(func(t *testing.T, b, cuts []byte, away uint32) {
		if out, _ := opened(t).judgeSegment(flowFrom(1000), tcp(isn+away, flagACK, b)); away != 0 && out == fails {
			t.Errorf("a segment at another place is judged")
		}
		s, whole := opened(t), opened(t)
		_, want := whole.judgeSegment(flowFrom(1000), tcp(isn, flagACK, b))
		at := 0
		for _, n := range slices.Concat(cuts, []byte{0}) {
			part := b[at:min(at+int(n), len(b))]
			if n == 0 { // the rest
				part = b[at:]
			}
			out, v := s.judgeSegment(flowFrom(1000), tcp(isn+uint32(at), flagACK, part))
			at += len(part)
			if out == fails {
				if v.finding != want.finding {
					t.Errorf("finding %d in parts, %d in one", v.finding, want.finding)
				}
				return
			}
		}
		if want.finding != harmless {
			t.Errorf("passes in parts, finding %d in one", want.finding)
		}
	})
}
