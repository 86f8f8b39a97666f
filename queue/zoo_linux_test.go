package queue_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ipqueue/ipqueue/internal/netns"
	"github.com/ipqueue/ipqueue/internal/testutil"
	"github.com/ipqueue/ipqueue/internal/testutil/replace"
	"github.com/ipqueue/ipqueue/queue"
)

// The zoo has packets of every kind. Each is sent from one host to another,
// through a router, and judged at every hook on the way; what arrives then is
// compared, byte for byte, with what arrives without a queue. It is seen by a
// second queue, behind all hooks where the first can be.

// An animal is a packet of the zoo.
type animal struct {
	name   string
	packet []byte

	// owed is where the checksum starts that the kernel owes to the packet, at
	// is where in it the field is. owed 0 means that nothing is owed.
	owed, at int
	gso      gso // of a super-packet
	size     int // of the data in its segments

	refused   bool // Replace must say that it cannot
	fragment  bool // Input does not see it
	surplus   bool // ReplaceData leaves something out
	frameOnly bool // a raw socket changes it
}

// A gso is a kind of super-packet (include/uapi/linux/virtio_net.h).
type gso byte

const (
	noGSO  gso = 0
	gsoTCP gso = 1 // over IPv4
	gso6   gso = 4 // TCP over IPv6
	gsoUDP gso = 5
)

// A zoo is three hosts in a row.
type zoo struct {
	testing.TB
	from, router, to testutil.Host // of router, the link to from
	toRouter         [14]byte      // Ethernet header
	raw4, raw6, link int           // sockets of from
	eyes             *queue.Queue  // where packets arrive
}

func newZoo(t *testing.T) *zoo {
	t.Helper()
	testutil.RequireKernel(t)
	testutil.CheckLeaks(t)
	a, r, b := testutil.NewNamespace(t), testutil.NewNamespace(t), testutil.NewNamespace(t)
	z := &zoo{TB: t}
	var far testutil.Host
	z.from, z.router = testutil.Veth(t, a, r, 1)
	far, z.to = testutil.Veth(t, r, b, 2)
	z.ok(errors.Join(
		r.SetSysctl("ipv4/ip_forward", "1"),
		r.SetSysctl("ipv6/conf/all/forwarding", "1"),
		a.AddRoute(netip.PrefixFrom(z.to.IPv4, 24).Masked(), z.router.IPv4),
		a.AddRoute(netip.PrefixFrom(z.to.IPv6, 64).Masked(), z.router.IPv6),
		b.AddRoute(netip.PrefixFrom(z.from.IPv4, 24).Masked(), far.IPv4),
		b.AddRoute(netip.PrefixFrom(z.from.IPv6, 64).Masked(), far.IPv6)))
	for _, h := range []testutil.Host{z.from, z.router, far, z.to} {
		z.ok(h.Link.SetMTU(65535))
	}
	copy(z.toRouter[:], z.hardware(z.router))
	copy(z.toRouter[6:], z.hardware(z.from))
	z.raw4 = z.socket(syscall.AF_INET, syscall.IPPROTO_RAW, syscall.SOL_SOCKET, syscall.SO_SNDBUF, 1<<20)
	z.raw6 = z.socket(syscall.AF_INET6, syscall.IPPROTO_RAW, syscall.SOL_SOCKET, syscall.SO_SNDBUF, 1<<20)
	z.link = z.socket(syscall.AF_PACKET, 0, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1)
	for _, addr := range z.to.Addrs() { // the neighbours get to know each other
		z.ok(testutil.Ping(a, addr, nil, patience))
	}
	return z
}

func (z *zoo) ok(err error) {
	z.Helper()
	if err != nil {
		z.Fatal(err)
	}
}

func (z *zoo) hardware(h testutil.Host) (addr net.HardwareAddr) {
	z.Helper()
	z.ok(h.NS.Do(func() error {
		i, err := net.InterfaceByIndex(h.Link.Index)
		if err == nil {
			addr = i.HardwareAddr
		}
		return err
	}))
	return addr
}

// socket opens a socket of the first host, which closes when the test is done.
func (z *zoo) socket(domain, protocol, level, option, value int) (fd int) {
	z.Helper()
	z.ok(z.from.NS.Do(func() (err error) {
		fd, err = syscall.Socket(domain, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, protocol)
		return os.NewSyscallError("socket", err)
	}))
	z.Cleanup(func() { syscall.Close(fd) })
	z.ok(os.NewSyscallError("setsockopt", syscall.SetsockoptInt(fd, level, option, value)))
	return fd
}

// raw sends the packet by a raw socket, as this host's own.
func (z *zoo) raw(a *animal) error {
	fd, to := z.raw4, syscall.Sockaddr(&syscall.SockaddrInet4{Addr: z.to.IPv4.As4()})
	if a.packet[0]>>4 == 6 {
		fd, to = z.raw6, &syscall.SockaddrInet6{Addr: z.to.IPv6.As16()}
	}
	return os.NewSyscallError("sendto", syscall.Sendto(fd, a.packet, 0, to))
}

// frame sends the packet to the router as a network device would hand it over,
// with what that knows of its checksum and its segments.
func (z *zoo) frame(a *animal) error {
	header := make([]byte, 10, 10+14+len(a.packet)) // struct virtio_net_hdr
	if a.owed != 0 {
		header[0] = 1 // VIRTIO_NET_HDR_F_NEEDS_CSUM
		binary.NativeEndian.PutUint16(header[6:], uint16(14+a.owed))
		binary.NativeEndian.PutUint16(header[8:], uint16(a.at))
	}
	if a.gso != noGSO {
		header[1] = byte(a.gso)
		binary.NativeEndian.PutUint16(header[2:], uint16(14+a.owed+20))
		binary.NativeEndian.PutUint16(header[4:], uint16(a.size))
	}
	ethernet := z.toRouter
	ethernet[12], ethernet[13] = 8, 0
	if a.packet[0]>>4 == 6 {
		ethernet[12], ethernet[13] = 0x86, 0xdd
	}
	frame := append(append(header, ethernet[:]...), a.packet...)
	to := &syscall.SockaddrLinklayer{Ifindex: z.from.Link.Index}
	return os.NewSyscallError("sendto", syscall.Sendto(z.link, frame, 0, to))
}

// A sighting is a packet that the second queue has received.
type sighting struct {
	packet []byte
	length uint32
	ready  bool
}

// arrived takes the next packet that is one of the zoo.
func (z *zoo) arrived() (got sighting, ok bool) {
	timeout := time.After(2 * time.Second)
	for {
		select {
		case p := <-z.eyes.Packets():
			got = sighting{p.Clone(), p.Length, p.ChecksumReady()}
			neighbour := isNeighbour(p)
			if neighbour {
				z.ok(p.Accept())
				continue
			}
			z.ok(p.Drop())
			return got, true
		case <-timeout:
			return got, false
		}
	}
}

// isNeighbour reports whether the packet is of IPv6's own housekeeping.
func isNeighbour(p queue.Packet) bool {
	protocol, b := p.Transport()
	return p.Family == queue.IPv6 && (protocol == 58 && len(b) > 0 && b[0] > 129 || p.Flow().Destination.Addr().IsMulticast())
}

// A treatment is what the first queue does to a packet. It reports whether the
// packet was replaced.
type treatment struct {
	name   string
	decide func(queue.Packet) error
}

var treatments = []treatment{
	{"accept", queue.Packet.Accept},
	{"replace", func(p queue.Packet) error { return p.Replace(p.Payload) }},
	{"change and undo", func(p queue.Packet) error {
		b := p.Clone()
		for i := range b {
			b[i] ^= 0x55
		}
		for i := range b {
			b[i] ^= 0x55
		}
		return p.Replace(b)
	}},
	{"data", func(p queue.Packet) error {
		err := p.ReplaceData(p.Data())
		if errors.Is(err, queue.ErrUnsupported) {
			return p.Replace(p.Payload) // without data, or fragments
		}
		return err
	}},
}

// A station is a hook on the way.
type station struct {
	name string
	at   testutil.Host
	hook netns.Hook
	send func(*zoo, *animal) error
	eyes netns.Hook // where the second queue is
}

func (z *zoo) stations() []station {
	return []station{
		{"output", z.from, netns.Output, (*zoo).raw, netns.Prerouting},
		{"postrouting", z.from, netns.Postrouting, (*zoo).raw, netns.Prerouting},
		{"router prerouting", z.router, netns.Prerouting, (*zoo).frame, netns.Prerouting},
		{"router forward", z.router, netns.Forward, (*zoo).frame, netns.Prerouting},
		{"router postrouting", z.router, netns.Postrouting, (*zoo).frame, netns.Prerouting},
		{"prerouting", z.to, netns.Prerouting, (*zoo).frame, netns.Prerouting},
		{"input", z.to, netns.Input, (*zoo).frame, netns.Input},
	}
}

func TestKernelZoo(t *testing.T) {
	replace.Require(t)
	z := newZoo(t)
	for _, s := range z.stations() {
		t.Run(s.name, func(t *testing.T) { z.at(t, s) })
	}
}

// at judges every animal at the station.
func (z *zoo) at(t *testing.T, s station) {
	here := *z
	here.TB = t
	end := labIn(t, z.to.NS)
	end.chain(s.eyes, 100, netns.Rule{Action: netns.Enqueue, Queue: netns.Queue{First: 1}})
	here.eyes = end.open(queue.Config{Number: 1})
	var animals []animal
	var without []sighting
	for _, a := range z.animals() {
		raw := s.at == z.from
		if a.fragment && s.eyes == netns.Input || raw && (a.owed != 0 || a.frameOnly) {
			continue
		}
		err := s.send(&here, &a)
		if a.gso == gsoUDP && errors.Is(err, syscall.EINVAL) {
			continue // before Linux 6.2 a device cannot hand over such packets
		}
		here.ok(err)
		got, ok := here.arrived()
		if !ok {
			t.Errorf("%s does not arrive without a queue", a.name)
			continue
		}
		animals, without = append(animals, a), append(without, got)
	}
	judge := end
	if s.at != z.to {
		judge = labIn(t, s.at.NS)
	}
	judge.chain(s.hook, 0, netns.Rule{Action: netns.Enqueue})
	q := judge.open(queue.Config{})
	for i := range animals {
		for _, how := range treatments {
			here.try(q, s, &animals[i], how, without[i])
		}
	}
	if len(animals) < 40 {
		t.Errorf("only %d packets were tried", len(animals))
	}
	judge.judge(channel(q), queue.Packet.Accept) // the hosts' own packets
	settled(t, q)
}

// try sends the animal, gives it the treatment, and compares what arrives.
func (z *zoo) try(q *queue.Queue, s station, a *animal, how treatment, without sighting) {
	z.ok(s.send(z, a))
	err := z.treat(q, how)
	replaced := how.name != "accept" && err == nil
	if a.refused && how.name != "accept" && !errors.Is(err, queue.ErrUnsupported) {
		z.Errorf("%s, %s: %v, want ErrUnsupported", a.name, how.name, err)
	}
	if !a.refused && err != nil {
		z.Errorf("%s, %s: %v", a.name, how.name, err)
	}
	got, ok := z.arrived()
	if !ok {
		z.Errorf("%s, %s: nothing arrives", a.name, how.name)
		return
	}
	want := without
	if a.surplus && how.name == "data" {
		return
	}
	if replaced {
		got, want = a.finished(got), a.finished(want)
	}
	if got.ready != want.ready || got.length != want.length || !bytes.Equal(got.packet, want.packet) {
		z.Errorf("%s, %s: arrives as\n%.120x (%d bytes, ready %t), without a queue as\n%.120x (%d bytes, ready %t)",
			a.name, how.name, got.packet, got.length, got.ready, want.packet, want.length, want.ready)
	}
}

// treat decides the next packet that is one of the zoo. What cannot be replaced
// is accepted.
func (z *zoo) treat(q *queue.Queue, how treatment) error {
	for {
		p := take(z, q, 1)[0]
		if isNeighbour(p) {
			z.ok(p.Accept())
			continue
		}
		err := how.decide(p)
		if err != nil {
			z.ok(p.Accept())
		}
		return err
	}
}

// finished returns the sighting with its unfinished checksum completed as a
// network device does it (skb_checksum_help). A GSO packet may have been split
// and merged again on its way, and be unfinished again.
func (a *animal) finished(s sighting) sighting {
	if s.ready {
		return s
	}
	b := bytes.Clone(s.packet)
	sum := ^onesSum(b[a.owed:])
	if sum == 0 {
		sum = 0xffff
	}
	binary.BigEndian.PutUint16(b[a.owed+a.at:], sum)
	return sighting{b, s.length, true}
}

// animals are the packets of the zoo.
func (z *zoo) animals() (list []animal) {
	add := func(name string, packet []byte) *animal {
		list = append(list, animal{name: name, packet: packet})
		return &list[len(list)-1]
	}
	// Every transport with every kind of header, and data of many lengths.
	for _, c := range carriers {
		for _, n := range []int{0, 1, 40, 8999} {
			add(fmt.Sprintf("%s, %d bytes", c.name, n), z.packet(pattern(n), c.headers...))
		}
	}
	for _, six := range []bool{false, true} {
		head := head4
		if six {
			head = head6
		}
		name := fmt.Sprintf("IPv6 %t ", six)
		whole := func(n int) []byte { return z.packet(pattern(n-len(head(17))-8), head(17), udpHead) }
		add(name+"65500 bytes", whole(65500))
		add(name+"65531 bytes", whole(65531))
		for _, n := range []byte{8, 9, 30} {
			b := z.packet(pattern(40), head(17), udpHead)
			add(fmt.Sprint(name, "UDP length ", n), fixed(z, set(b, headerLen(b)+4, 0, n))).surplus = true
		}
		b := z.packet(pattern(40), head(17), udpHead)
		add(name+"UDP without checksum", set(b, headerLen(b)+6, 0, 0))
		add(name+"unknown protocol", z.packet(pattern(30), head(253)))
		add(name+"unknown protocol, empty", z.packet(nil, head(253)))
	}
	padded := add("padding", append(z.packet(pattern(4), head4(17), udpHead), make([]byte, 14)...))
	padded.frameOnly = true
	fragment := z.packet(pattern(48), head4(17), udpHead)
	add("first fragment", fixed(z, set(fragment, 6, 0x20))).fragment = true
	add("later fragment", fixed(z, set(fragment, 6, 0, 9))).fragment = true
	add("IPv6 first fragment", z.packet(pattern(48), head6(44), []byte{17, 0, 0, 1, 0, 0, 0, 9}, udpHead)).fragment = true
	add("IPv6 later fragment", z.packet(pattern(48), head6(44), []byte{17, 0, 0, 9, 0, 0, 0, 9})).fragment = true
	return append(list, z.owed()...)
}

// packet is a specimen between the hosts of the zoo.
func (z *zoo) packet(data []byte, headers ...[]byte) []byte {
	z.Helper()
	b := join(headers...)
	if b[0]>>4 == 4 {
		from, to := z.from.IPv4.As4(), z.to.IPv4.As4()
		copy(b[12:], from[:])
		copy(b[16:], to[:])
	} else {
		from, to := z.from.IPv6.As16(), z.to.IPv6.As16()
		copy(b[8:], from[:])
		copy(b[24:], to[:])
	}
	return specimen(z, data, b)
}

// owed are packets to which the kernel owes a checksum.
func (z *zoo) owed() (list []animal) {
	add := func(name string, packet []byte, owed, at int) *animal {
		list = append(list, animal{name: name + ", owed", packet: packet, owed: owed, at: at})
		return &list[len(list)-1]
	}
	tcp, udp := unfinished(simTCP(false, pattern(70))), unfinished(simUDP(true, pattern(70)))
	for _, c := range carriers {
		at := map[string]int{"UDP": 6, "TCP": 16}[c.name[:3]]
		if at == 0 || strings.Contains(c.name, "UDP-Lite") || strings.Contains(c.name, "authentication") {
			continue
		}
		b := z.packet(pattern(33), c.headers...)
		start := len(join(c.headers...)) - len(c.headers[len(c.headers)-1])
		add(c.name, z.owe(b, start, at), start, at)
	}
	tunnels := []struct {
		name    string
		headers [][]byte
	}{
		{"VXLAN", [][]byte{head4(17), udpHead, make([]byte, 22)}},
		{"VXLAN over IPv6", [][]byte{head6(17), udpHead, make([]byte, 22)}},
		{"Geneve with options", [][]byte{head4(17), udpHead, make([]byte, 8+40+14)}},
		{"GRE", [][]byte{head4(47), greHead}},
		{"GRE over IPv6, extension header", [][]byte{head6(60), destHead(47), greHead}},
		{"IP in IP", [][]byte{head4(4)}},
		{"IP in IPv6", [][]byte{head6(4)}},
	}
	for _, tunnel := range tunnels {
		headers := join(tunnel.headers...)
		b := z.packet(tcp, tunnel.headers...)
		add(tunnel.name, b, len(headers)+20, 16).refused = true
		inner := z.packet(udp, tunnel.headers...)
		add(tunnel.name+", IPv6 inside", inner, len(headers)+40, 6).refused = true
		if at := len(tunnel.headers[0]) + 6; strings.HasPrefix(tunnel.name, "VXLAN") {
			add(tunnel.name+" without checksum", set(b, at, 0, 0), len(headers)+20, 16).refused = true
			finished := z.packet(fixed(z, tcp), tunnel.headers...)
			add(tunnel.name+" with checksum", set(b, at, finished[at:at+2]...), len(headers)+20, 16).refused = true
		}
	}
	for _, six := range []bool{false, true} {
		head, kind := head4, gsoTCP
		if six {
			head, kind = head6, gso6
		}
		segments := z.packet(pattern(30000), head(6), tcpHead)
		super := add(fmt.Sprintf("TCP super-packet, IPv6 %t", six), z.owe(segments, len(head(6)), 16), len(head(6)), 16)
		super.gso, super.size = kind, 1000
		datagrams := z.packet(pattern(30000), head(17), udpHead)
		super = add(fmt.Sprintf("UDP super-packet, IPv6 %t", six), z.owe(datagrams, len(head(17)), 6), len(head(17)), 6)
		super.gso, super.size, super.refused = gsoUDP, 1000, true
	}
	return list
}

// owe returns b with the sum of the pseudo-header in the field of its checksum.
func (z *zoo) owe(b []byte, start, at int) []byte {
	z.Helper()
	b = bytes.Clone(b)
	field := b[start+at:][:2]
	// All but the pseudo-header's sum is what the finished checksum lacks.
	finished := binary.BigEndian.Uint16(field)
	clear(field)
	rest := onesSum(b[start:])
	sum := uint32(^finished) + uint32(^rest)
	binary.BigEndian.PutUint16(field, uint16(sum>>16+sum&0xffff))
	return b
}

// TestKernelReplaceHeaders replaces packets by ones with other headers. They
// arrive, or are refused if the kernel has already read the old headers.
func TestKernelReplaceHeaders(t *testing.T) {
	z := newZoo(t)
	insert := func(b []byte, at int, part ...byte) []byte {
		return append(append(bytes.Clone(b[:at]), part...), b[at:]...)
	}
	remove := func(b []byte, at, n int) []byte { return append(bytes.Clone(b[:at]), b[at+n:]...) }
	const recordRoute = "\x07\x0b\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	tests := []struct {
		name    string
		six     bool
		options string
		change  func([]byte) []byte
	}{
		{"IPv4 option", false, "", func(b []byte) []byte { return set(insert(b, 20, 0x94, 4, 0, 0), 0, 0x46) }},
		{"no router alert", false, "\x94\x04\x00\x00", func(b []byte) []byte { return set(remove(b, 20, 4), 0, 0x45) }},
		{"no operation in place of a record route", false, recordRoute, func(b []byte) []byte { return set(b, 20, bytes.Repeat([]byte{1}, 12)...) }},
		{"no record route", false, recordRoute, func(b []byte) []byte { return set(remove(b, 20, 12), 0, 0x45) }},
		{"hop-by-hop header", true, "", func(b []byte) []byte { return set(insert(b, 40, hopHead(17)...), 6, 0) }},
		{"destination options", true, "", func(b []byte) []byte { return set(insert(b, 40, destHead(17)...), 6, 60) }},
	}
	for _, s := range z.stations() {
		t.Run(s.name, func(t *testing.T) {
			l := labIn(t, s.at.NS)
			l.chain(s.hook, 0, toQueue(0))
			q := l.open(queue.Config{NoGSO: true})
			for _, test := range tests {
				addr := z.to.IPv4
				if test.six {
					addr = z.to.IPv6
				}
				f := newFlow(t, z.from.NS, z.to.NS, addr)
				if test.options != "" {
					setOption(t, f.client, syscall.IPPROTO_IP, syscall.IP_OPTIONS, test.options)
				}
				f.send(test.name)
				p := take(t, q, 1)[0]
				err := p.Replace(test.change(p.Payload))
				if err != nil {
					z.ok(p.Accept())
				}
				may := s.hook == netns.Prerouting || s.hook == netns.Input || test.options == recordRoute || strings.Contains(fmt.Sprint(err), "Linux 7")
				if err != nil && !(may && errors.Is(err, queue.ErrUnsupported)) {
					t.Errorf("%s: %v", test.name, err)
				}
				f.want(test.name)
			}
			settled(t, q)
		})
	}
}
