package queue_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/ipqueue/ipqueue/checksum"
	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/queue"
)

// specimen returns a packet that is right in lengths and checksums, of headers
// that end with the one of the transport, and data.
func specimen(t testing.TB, data []byte, headers ...[]byte) []byte {
	t.Helper()
	b := append(join(headers...), data...)
	if err := checksum.Resize(b); err != nil {
		t.Fatal(err)
	}
	if err := checksum.Fix(b); err != nil && !errors.Is(err, checksum.ErrLeftAlone) {
		t.Fatal(err)
	}
	return b
}

// Headers of transports.
var (
	udpHead     = []byte{0x30, 0x39, 0, 53, 0, 0, 0xff, 0xff} // 0 would be no checksum
	tcpHead     = []byte{0x30, 0x39, 0, 80, 0, 0, 0, 1, 0, 0, 0, 2, 5 << 4, 0x18, 0x20, 0, 0, 0, 0, 0}
	tcpOptions  = []byte{0x30, 0x39, 0, 80, 0, 0, 0, 1, 0, 0, 0, 2, 8 << 4, 0x18, 0x20, 0, 0, 0, 0, 0, 1, 1, 8, 10, 31: 0}
	dccpHead    = []byte{0x30, 0x39, 0, 80, 4, 0, 0, 0, 5, 15: 0}
	sctpHead    = []byte{0x30, 0x39, 0, 80, 11: 0}
	udpLiteHead = []byte{0x30, 0x39, 0, 80, 0, 8, 0, 0}
	echoHead    = []byte{8, 0, 0, 0, 0, 1, 0, 2}
	echo6Head   = []byte{128, 0, 0, 0, 0, 1, 0, 2}
	greHead     = []byte{0, 0, 8, 0}
)

// head4 and head6 are IP headers without lengths and checksums.
func head4(protocol byte) []byte { return ipHeader(false, protocol, 0) }
func head6(protocol byte) []byte { return ipHeader(true, protocol, 0) }

// head4Options is an IPv4 header with a router alert and padding.
func head4Options(protocol byte) []byte {
	b := append(head4(protocol), 0x94, 4, 0, 0, 1, 1, 1, 0)
	b[0] = 0x47
	return b
}

// Extension headers in front of another one, and of the authentication header.
func hopHead(next byte) []byte  { return []byte{next, 0, 5, 2, 0, 0, 1, 0} }
func destHead(next byte) []byte { return []byte{next, 1, 0x1e, 12, 15: 0} } // an experimental option
func ahHead(next byte) []byte   { return []byte{next, 4, 23: 0} }
func routeHead(next byte) []byte {
	return []byte{next, 2, 0, 1, 8: 0xfd, 23: 9}
}

// carriers are packets up to the data.
var carriers = []struct {
	name    string
	headers [][]byte
	noData  bool
}{
	{"UDP", [][]byte{head4(17), udpHead}, false},
	{"UDP, options", [][]byte{head4Options(17), udpHead}, false},
	{"UDP, authentication", [][]byte{head4(51), ahHead(17), udpHead}, false},
	{"TCP", [][]byte{head4(6), tcpHead}, false},
	{"TCP, options", [][]byte{head4Options(6), tcpOptions}, false},
	{"DCCP", [][]byte{head4(33), dccpHead}, false},
	{"SCTP", [][]byte{head4(132), sctpHead}, false},
	{"UDP-Lite", [][]byte{head4(136), udpLiteHead}, false},
	{"ICMP", [][]byte{head4(1), echoHead}, false},
	{"UDP over IPv6", [][]byte{head6(17), udpHead}, false},
	{"UDP, extension headers", [][]byte{head6(0), hopHead(43), routeHead(60), destHead(51), ahHead(17), udpHead}, false},
	{"TCP over IPv6", [][]byte{head6(6), tcpOptions}, false},
	{"TCP, extension headers", [][]byte{head6(60), destHead(6), tcpHead}, false},
	{"ICMPv6", [][]byte{head6(58), echo6Head}, false},
	{"GRE", [][]byte{head4(47), greHead}, true},
	{"ESP", [][]byte{head6(50), make([]byte, 8)}, true},
	{"no next header", [][]byte{head6(59)}, true},
}

func TestData(t *testing.T) {
	for _, c := range carriers {
		for _, data := range [][]byte{nil, {1}, pattern(100)} {
			b := specimen(t, data, c.headers...)
			whole := queue.Packet{Payload: append(b, "padding"...)}
			got := whole.Data()
			if c.noData {
				if got != nil {
					t.Errorf("%s: Data = %x, want nil", c.name, got)
				}
				continue
			}
			if got == nil || !bytes.Equal(got, data) {
				t.Errorf("%s: Data = %x, want %x", c.name, got, data)
			}
			if cap(got) != len(got) {
				t.Errorf("%s: an append to Data would change Payload", c.name)
			}
			header := len(b) - len(data)
			for n := range b {
				got := queue.Packet{Payload: b[:n], Length: uint32(len(b))}.Data()
				if n < header && got != nil || n >= header && !bytes.Equal(got, data[:n-header]) {
					t.Errorf("%s cut to %d of %d: Data = %x", c.name, n, len(b), got)
				}
			}
		}
	}
}

func TestDataOfUDPLength(t *testing.T) {
	for _, six := range []bool{false, true} {
		b := simUDP(six, []byte("data and surplus"))
		length := b[headerLen(b)+4:]
		for n, want := range map[uint16]string{12: "data", 8: "", 7: "", 0: "data and surplus", 99: "data and surplus"} {
			binary.BigEndian.PutUint16(length, n)
			got := queue.Packet{Payload: b}.Data()
			if string(got) != want || (got == nil) != (n == 7) {
				t.Errorf("UDP length %d: Data = %q, want %q", n, got, want)
			}
		}
	}
}

// ofFamily returns a packet of the family that the IP version in b gives.
func (s *sim) ofFamily(b []byte) kerneltest.Packet {
	p := kerneltest.Packet{Payload: b}
	if b[0]>>4 == 6 {
		p.Family = kerneltest.IPv6
	}
	return p
}

func TestReplaceData(t *testing.T) {
	simulate(t, []kind{nfqueueKind}, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		for _, c := range carriers {
			old := specimen(t, pattern(100), c.headers...)
			tcp := c.name[:3] == "TCP"
			for _, n := range []int{0, 1, 99, 100, 101, 4000} {
				data := bytes.Repeat([]byte{7}, n)
				j := s.injectPacket(s.ofFamily(old))
				p := s.next()
				err := p.ReplaceData(data)
				if c.noData || tcp && n != 100 {
					if !errors.Is(err, queue.ErrUnsupported) {
						s.Errorf("%s: %d bytes: %v, want ErrUnsupported", c.name, n, err)
					}
					s.ok(p.Accept())
					s.fate(j, kerneltest.Accepted)
					continue
				}
				s.ok(err)
				s.fate(j, kerneltest.Accepted)
				if got, want := j.Result().Packet.Payload, specimen(t, data, c.headers...); !bytes.Equal(got, want) {
					s.Errorf("%s: %d bytes:\ngot  %.80x\nwant %.80x", c.name, n, got, want)
				}
			}
		}
	})
}

// TestReplaceDataWithPayload gives parts of the packet itself, and leaves out
// what follows the data.
func TestReplaceDataWithPayload(t *testing.T) {
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		b := simUDP(false, []byte("data, surplus"))
		b[25] = 12
		if err := checksum.Fix(b); err != nil {
			s.Fatal(err)
		}
		for want, part := range map[string][2]int{"data": {0, 4}, "at": {1, 3}, "": {4, 4}} {
			j := s.injectPayload(b)
			p := s.next()
			s.ok(p.ReplaceData(p.Data()[part[0]:part[1]]))
			s.wantReplaced(j, []byte(want))
		}
		j := s.injectPayload(b)
		p := s.next()
		s.ok(p.ReplaceData(append(p.Data(), p.Data()...)))
		s.wantReplaced(j, []byte("datadata"))
	})
}

func TestReplaceDataRefused(t *testing.T) {
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{Mode: queue.Range(64)})
		later := simUDP(false, pattern(50))
		later[7] = 1
		first := simUDP(false, pattern(50))
		first[6] = 0x20
		for _, test := range []struct {
			name   string
			packet []byte
			data   []byte
			want   error
		}{
			{"first fragment", first, nil, queue.ErrUnsupported},
			{"later fragment", later, nil, queue.ErrUnsupported},
			{"too long", simUDP(false, nil), make([]byte, 65536-28), queue.ErrInvalid},
			{"far too long", simUDP(false, nil), make([]byte, 1<<20), queue.ErrInvalid},
			{"headers cut", specimen(t, pattern(50), head4(51), append([]byte{17, 12}, make([]byte, 54)...), udpHead), nil, queue.ErrTruncated},
		} {
			j := s.injectPayload(test.packet)
			p := s.next()
			if err := p.ReplaceData(test.data); !errors.Is(err, test.want) {
				s.Errorf("%s: %v, want %v", test.name, err, test.want)
			}
			s.ok(p.Accept())
			s.fate(j, kerneltest.Accepted)
			if got := j.Result().Packet.Payload; !bytes.Equal(got, test.packet) {
				s.Errorf("%s: the packet was changed", test.name)
			}
		}
		j := s.injectPayload(simUDP(false, pattern(500)))
		s.ok(s.next().ReplaceData(pattern(300))) // of a cut copy
		s.wantReplaced(j, pattern(300))
	})
	if err := (queue.Packet{}).ReplaceData(nil); !errors.Is(err, queue.ErrClosed) {
		t.Errorf("zero Packet: %v, want ErrClosed", err)
	}
}
