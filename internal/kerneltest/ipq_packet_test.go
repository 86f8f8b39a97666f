package kerneltest

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ipqueue/ipqueue/internal/sock"
)

// TestRecordedPackets builds the packet messages of a real kernel from their
// fields.
func TestRecordedPackets(t *testing.T) {
	text, err := os.ReadFile("testdata/ip_queue_packets.txt")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		word := strings.Fields(line)
		t.Run(word[0]+"/"+word[1], func(t *testing.T) { recordedPacket(t, word[0], word[2:]) })
		n++
	}
	if n != 32 {
		t.Errorf("%d recorded packets, want 32", n)
	}
}

func recordedPacket(t *testing.T, arch string, word []string) {
	want, err := hex.DecodeString(word[len(word)-1])
	if err != nil {
		t.Fatal(err)
	}
	fields := make(map[string]string)
	for _, w := range word[:len(word)-1] {
		name, value, _ := strings.Cut(w, "=")
		fields[name] = value
	}
	l := map[string]Layout{"x86_64": Little64, "i386": Little32}[arch]
	q := newIPQ(New(Options{Layout: l}), IPv4)
	p, id, size := packetOf(t, q.abi, fields, want)
	q.mode, q.copyRange = ipqCopyPacket, uint32(size)
	if size == 0 {
		q.mode = 1
	}
	got := q.appendPacket(nil, &p, id)
	if len(got) != len(want) {
		t.Fatalf("got %d bytes, want %d", len(got), len(want))
	}
	maskPadding(l, got, want)
	if !bytes.Equal(got, want) {
		t.Errorf("got\n%x, want\n%x", got, want)
	}
}

// packetOf makes a packet of recorded fields. Where the payload was cut, the
// packet is longer.
func packetOf(t *testing.T, a abi, f map[string]string, message []byte) (p Packet, id uint64, size int) {
	number := func(name string) uint64 {
		n, err := strconv.ParseUint(f[name], 0, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	var sec, usec int64
	if _, err := fmt.Sscanf(f["ts"], "%d.%d", &sec, &usec); err != nil {
		t.Fatal(err)
	}
	if sec != 0 {
		p.Time = time.Unix(sec, usec*1000)
	}
	address, err := hex.DecodeString(f["hw_addr"])
	if err != nil {
		t.Fatal(err)
	}
	p.Mark, p.Hook = uint32(number("mark")), Hook(number("hook"))
	p.In.Name, p.Out.Name = f["in"], f["out"]
	p.Protocol, p.HWType = uint16(number("hw_protocol")), uint16(number("hw_type"))
	p.HWAddr = address[:number("hw_addrlen")]
	size = int(number("data_len"))
	head := map[int]int{8: 96, 4: 72}[a.long]
	p.Payload = append(bytes.Clone(message[headerLen+head:][:size]), 1, 2, 3)
	return p, number("id"), size
}

func TestPaddingIsUnclean(t *testing.T) {
	k, s, a := boundIPQ(t, Options{}, sock.Config{})
	k.Inject(Packet{Payload: make([]byte, 21)})
	b := receive(t, s)[0]
	if n := a.order.Uint32(b); int(n) != len(b) || len(b)%4 != 0 {
		t.Errorf("nlmsg_len is %d of %d bytes, want the whole, rounded up to 4", n, len(b))
	}
	for _, c := range b[len(b)-3:] {
		if c == 0 {
			t.Errorf("padding is %x, want no zeros", b[len(b)-3:])
		}
	}
}

// TestLargestPackets checks the datagram sizes recorded on both architectures.
func TestLargestPackets(t *testing.T) {
	for _, tt := range []struct {
		l      Layout
		family Family
		size   uint64
		packet int
		want   int
	}{
		{Little64, IPv4, 0xffff, 65535, 65648},
		{Little32, IPv4, 0, 65535, 65624},
		{Little64, IPv6, 0, 65575, 65688},
		{Big32, IPv6, 0, 65575, 65664},
		{Big64, IPv6, 0xffff, 65575, 65648},
		{Big64, IPv6, 1 << 32, 65575, 65688},
		{Little64, IPv4, 1 << 31, 65535, 65648},
	} {
		q := newIPQ(New(Options{Layout: tt.l}), tt.family)
		if errno := q.setMode(ipqModeBody(q.abi, ipqCopyPacket, tt.size)); errno != 0 {
			t.Fatalf("setMode: %v", errno)
		}
		if got := len(q.appendPacket(nil, &Packet{Payload: make([]byte, tt.packet)}, 1)); got != tt.want {
			t.Errorf("%+v: %d bytes, want %d", tt, got, tt.want)
		}
	}
}
