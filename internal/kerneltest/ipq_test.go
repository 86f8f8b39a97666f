package kerneltest

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/ipqueue/ipqueue/internal/sock"
)

// TestLayouts takes one packet through ip_queue in every layout.
func TestLayouts(t *testing.T) {
	for _, l := range []Layout{NativeLayout, Little32, Little64, Big32, Big64} {
		t.Run(fmt.Sprint(l), func(t *testing.T) {
			k, s, a := boundIPQ(t, Options{Layout: l}, sock.Config{})
			j := k.Inject(Packet{Mark: 0xdeadbeef, Payload: ipv4("hello")})
			b := receive(t, s)[0]
			id := a.readLong(b[headerLen:])
			if mark := a.readLong(b[headerLen+a.long:]); mark != 0xdeadbeef {
				t.Errorf("mark is %#x, want 0xdeadbeef", mark)
			}
			if high := id >> (8*a.long - 1); high != 1 {
				t.Errorf("id is %#x, want the high bit set", id)
			}
			other := ipv4("other data")
			if errno := ipqVerdict(t, s, a, verdictAccept, id, other); errno != 0 {
				t.Errorf("verdict: %v", errno)
			}
			wantFate(t, j, Accepted)
			if r := j.Result(); !bytes.Equal(r.Packet.Payload, other) || !r.Replaced {
				t.Errorf("left as %x, want %x", r.Packet.Payload, other)
			}
		})
	}
}

func ipqVerdict(t *testing.T, s *Socket, a abi, value uint32, id uint64, payload []byte) Errno {
	t.Helper()
	return request(t, s, a.order, ipqRequest(a, ipqmVerdict, s.Port(), ipqVerdictBody(a, value, id, payload)))
}

func TestIPQReplace(t *testing.T) {
	for name, tt := range map[string]struct {
		family   Family
		original int
		payload  int
		value    uint32
		fate     Fate
		replaced bool
	}{
		"none":                                {IPv4, 100, 0, verdictAccept, Accepted, false},
		"no header":                           {IPv4, 100, 19, verdictAccept, Accepted, false},
		"header":                              {IPv4, 100, 20, verdictAccept, Accepted, true},
		"no IPv6 header":                      {IPv6, 100, 39, verdictAccept, Accepted, false},
		"IPv6 header":                         {IPv6, 100, 40, verdictAccept, Accepted, true},
		"longest":                             {IPv4, 100, 65535, verdictAccept, Accepted, true},
		"too long":                            {IPv4, 100, 65536, verdictAccept, Unreplaced, false},
		"far too long":                        {IPv4, 100, 70000, verdictAccept, Unreplaced, false},
		"too long for 16 bits, but no longer": {IPv6, 65575, 65575, verdictAccept, Accepted, true},
		"drop and change":                     {IPv4, 100, 30, verdictDrop, Dropped, true},
	} {
		t.Run(name, func(t *testing.T) {
			protocol := map[Family]int{IPv4: sock.ProtoFirewall, IPv6: sock.ProtoIP6FW}[tt.family]
			k, s, a := boundIPQ(t, Options{}, sock.Config{Protocol: protocol})
			j := k.Inject(Packet{Family: tt.family, Payload: make([]byte, tt.original)})
			id := j.Result().IDs[0]
			if errno := ipqVerdict(t, s, a, tt.value, id, make([]byte, tt.payload)); errno != 0 {
				t.Errorf("verdict: %v, want an acknowledgement whatever happens", errno)
			}
			wantFate(t, j, tt.fate)
			if r := j.Result(); r.Replaced != tt.replaced || r.Replaced && len(r.Packet.Payload) != tt.payload {
				t.Errorf("replaced %v, %d bytes; want %v, %d", r.Replaced, len(r.Packet.Payload), tt.replaced, tt.payload)
			}
			if v := j.Result().Verdicts; len(v) != 1 || v[0] != (Verdict{Word: tt.value, Seq: 1}) {
				t.Errorf("verdicts are %+v, want one of value %d", v, tt.value)
			}
		})
	}
}

// TestIPQMaxLength repeats the sequence recorded with 20 packets for each limit.
func TestIPQMaxLength(t *testing.T) {
	k, _, _ := boundIPQ(t, Options{}, sock.Config{})
	for _, tt := range []struct {
		limit            string
		pending, dropped int
	}{{"10", 10, 10}, {"0", 10, 30}, {"-1\n", 30, 30}} {
		if err := k.WriteFile(fileIPQLimit, []byte(tt.limit)); err != nil {
			t.Fatal(err)
		}
		for range 20 {
			k.Inject(Packet{Payload: ipv4("")})
		}
		q := k.ipq(sock.ProtoFirewall)
		if q.pending() != tt.pending || int(q.queueDrops) != tt.dropped {
			t.Errorf("limit %q: %d pending, %d dropped; want %d, %d",
				tt.limit, q.pending(), q.queueDrops, tt.pending, tt.dropped)
		}
	}
}

// TestIPQCompat32 simulates a 32-bit program on a 64-bit kernel, and a program that
// finds the kernel's word size with the shortest mode message.
func TestIPQCompat32(t *testing.T) {
	for _, tt := range []struct {
		kernel Layout
		want   Errno
	}{{Little64, errInval}, {Little32, 0}} {
		k := New(Options{Modules: IPQueue, Layout: tt.kernel})
		s := open(t, k, sock.Config{Protocol: sock.ProtoFirewall})
		small := Little32.abi()
		b := ipqRequest(small, ipqmMode, s.Port(), make([]byte, small.peer))
		if errno := request(t, s, small.order, b); errno != tt.want {
			t.Errorf("28-byte mode message to %v: %v, want %v", tt.kernel, errno, tt.want)
		}
		if peer := k.ipq(sock.ProtoFirewall).peer; peer != s.Port() {
			t.Errorf("peer is %d, want the sender %d whatever the answer", peer, s.Port())
		}
	}
}

// TestIPQFirstContact checks that unknown types are refused before anything else is
// checked, and IPQM_PACKET only after the sender has become the peer.
func TestIPQFirstContact(t *testing.T) {
	for kind, peer := range map[uint16]uint32{0: 0, ipqmBase: 0, ipqmPacket: 4711, ipqmMax: 0} {
		k := New(Options{Modules: IPQueue})
		s := open(t, k, sock.Config{Protocol: sock.ProtoFirewall})
		a := k.opts.Layout.abi()
		send(t, s, ipqRequest(a, kind, s.Port(), make([]byte, a.peer)))
		if got := k.ipq(sock.ProtoFirewall).peer; got != peer {
			t.Errorf("peer after type %#x is %d, want %d", kind, got, peer)
		}
		if got := k.Replied(errInval); (got == 1) != (kind != ipqmBase) {
			t.Errorf("%d times EINVAL for type %#x", got, kind)
		}
	}
}

func TestIPQCloseOfOthers(t *testing.T) {
	k, s, a := boundIPQ(t, Options{}, sock.Config{})
	j := k.Inject(Packet{Payload: ipv4("")})
	other := open(t, k, sock.Config{Protocol: sock.ProtoFirewall})
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	wantFate(t, j, Pending)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wantFate(t, j, Flushed)
	next := open(t, k, sock.Config{Protocol: sock.ProtoFirewall})
	b := ipqRequest(a, ipqmMode, next.Port(), ipqModeBody(a, ipqCopyPacket, 0))
	if errno := request(t, next, a.order, b); errno != 0 {
		t.Errorf("mode after the peer has gone: %v", errno)
	}
}

func TestIPQChecksumAndSegments(t *testing.T) {
	k, s, _ := boundIPQ(t, Options{}, sock.Config{})
	whole := ipv4("hello")
	raw := bytes.Clone(whole)
	raw[26], raw[27] = 0, 0
	k.Inject(Packet{Payload: raw, Checksum: Partial})
	if b := receive(t, s)[0]; !bytes.Contains(b, whole) {
		t.Errorf("message %x lacks the packet with its checksum %x", b, whole)
	}
	j := k.Inject(Packet{Payload: ipv4("0123456789"), GSO: 4})
	wantFate(t, j, Segmented)
	if n := len(receive(t, s)); n != 3 {
		t.Errorf("%d segments, want 3", n)
	}
}
