package queue_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/ipqueue/ipqueue/checksum"
	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/queue"
)

// set returns b with other bytes from at on.
func set(b []byte, at int, value ...byte) []byte {
	b = bytes.Clone(b)
	copy(b[at:], value)
	return b
}

// fixed returns b with right checksums.
func fixed(t testing.TB, b []byte) []byte {
	t.Helper()
	b = bytes.Clone(b)
	if err := checksum.Fix(b); err != nil && !errors.Is(err, checksum.ErrLeftAlone) {
		t.Fatal(err)
	}
	return b
}

// oddities returns packets whose lengths or checksums are correct, but unusual.
func oddities(t testing.TB) map[string][]byte {
	data := pattern(40)
	list := map[string][]byte{
		"later fragment":            fixed(t, set(simUDP(false, data), 6, 0, 4)),
		"first fragment":            fixed(t, set(simUDP(false, data), 6, 0x20, 0)),
		"IPv6 fragment":             specimen(t, data, head6(44), []byte{17, 0, 0, 1, 0, 0, 0, 9}, udpHead),
		"IPv6 later fragment":       specimen(t, data, head6(44), []byte{17, 0, 0, 9, 0, 0, 0, 9}),
		"IPv6 atomic fragment":      specimen(t, data, head6(44), []byte{17, 0, 0, 0, 0, 0, 0, 9}, udpHead),
		"unknown protocol":          specimen(t, data, head4(253)),
		"UDP without checksum":      set(simUDP(false, data), 26, 0, 0),
		"IPv6 UDP without checksum": set(simUDP(true, data), 46, 0, 0),
		"IPv6, no checksum, behind options": func() []byte {
			b := specimen(t, data, head6(0), hopHead(17), udpHead)
			return set(b, 54, 0, 0)
		}(),
		"length 0":           fixed(t, set(simUDP(false, data), 2, 0, 0)),
		"IPv6 length 0":      fixed(t, set(simUDP(true, data), 4, 0, 0)),
		"IPv6 TCP length 0":  fixed(t, set(simTCP(true, data), 4, 0, 0)),
		"IPv6 UDP length 0":  fixed(t, set(simUDP(true, data), 44, 0, 0)),
		"padding":            append(simUDP(false, data), "padding"...),
		"IPv6 padding":       append(simTCP(true, data), "padding"...),
		"UDP-Lite, coverage": specimen(t, data, head4(136), udpLiteHead),
		"empty UDP":          simUDP(false, nil),
		"no transport":       specimen(t, nil, head4(59)),
	}
	for _, six := range []bool{false, true} {
		for _, n := range []byte{8, 9, 20, 47} {
			b := simUDP(six, data)
			list[fmt.Sprintf("UDP length %d of 48, IPv6 %t", n, six)] = fixed(t, set(b, headerLen(b)+4, 0, n))
		}
	}
	for _, c := range carriers {
		list[c.name] = specimen(t, data, c.headers...)
	}
	return list
}

// TestReplaceUnchanged gives packets back as they are, and changed and undone.
func TestReplaceUnchanged(t *testing.T) {
	simulate(t, []kind{nfqueueKind}, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		for name, b := range oddities(s) {
			for how, replace := range map[string]func(queue.Packet) error{
				"as it is": func(p queue.Packet) error { return p.Replace(p.Payload) },
				"a clone":  func(p queue.Packet) error { return p.Replace(p.Clone()) },
			} {
				j := s.injectPacket(s.ofFamily(b))
				s.ok(replace(s.next()))
				s.fate(j, kerneltest.Accepted)
				if r := j.Result(); !r.Replaced || !bytes.Equal(r.Packet.Payload, b) {
					s.Errorf("%s, %s:\ngot  %x\nwant %x", name, how, r.Packet.Payload, b)
				}
			}
		}
	})
}

// TestReplaceShorter replaces a complete packet by fewer bytes than the IP
// header gives.
func TestReplaceShorter(t *testing.T) {
	simulate(t, kinds(), kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		for _, n := range []int{0, 1, 50, 99} {
			j := s.injectPayload(s.datagram(100))
			p := s.next()
			s.ok(p.Replace(p.Payload[:len(p.Payload)-100+n]))
			s.wantReplaced(j, pattern(100)[:n])
		}
	})
}

// TestReplaceStaleLengths replaces a packet by one with as many bytes, but with
// wrong lengths.
func TestReplaceStaleLengths(t *testing.T) {
	simulate(t, []kind{nfqueueKind}, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		for _, six := range []bool{false, true} {
			b := simUDP(six, pattern(30))
			for _, at := range []int{2, 4, headerLen(b) + 4} {
				if six && at == 2 {
					continue // of the flow label
				}
				for _, length := range []byte{0, 20, 200} {
					if !six && at == 4 {
						continue // the id
					}
					j := s.injectPacket(s.ofFamily(b))
					s.ok(s.next().Replace(set(b, at, 0, length)))
					s.wantReplaced(j, pattern(30))
				}
			}
		}
	})
}

// tunnel returns a packet of UDP that carries inner behind a header, as VXLAN
// does. sum is its checksum: none, one that is owed itself, or one that takes
// the inner one for finished.
func tunnel(t testing.TB, header int, inner []byte, sum string) []byte {
	t.Helper()
	data := append(make([]byte, header), inner...)
	b := simUDP(false, data)
	field := b[26:28]
	switch sum {
	case "none":
		clear(field)
	case "finished":
		finished := specimen(t, append(make([]byte, header), fixed(t, inner)...), head4(17), udpHead)
		copy(field, finished[26:28])
	}
	return b
}

// unfinished returns b with the sum of the pseudo-header as its checksum, as it
// is before a device completes it.
func unfinished(b []byte) []byte {
	b = bytes.Clone(b)
	at, addresses, protocol := headerLen(b), b[12:20:20], b[9]
	if b[0]>>4 == 6 {
		addresses, protocol = b[8:40:40], b[6]
	}
	field := at + 16
	if protocol == 17 {
		field = at + 6
	}
	n := len(b) - at
	pseudo := append(bytes.Clone(addresses), byte(n>>8), byte(n), 0, protocol)
	binary.BigEndian.PutUint16(b[field:], onesSum(pseudo))
	return b
}

// TestReplaceOwed replaces packets with an unfinished checksum: that of their
// own transport, which Replace computes, or another one.
func TestReplaceOwed(t *testing.T) {
	data := pattern(60)
	gre := specimen(t, unfinished(simTCP(false, data)), head4(47), greHead)
	tests := []struct {
		name   string
		packet []byte
		want   error
	}{
		{"TCP", unfinished(simTCP(false, data)), nil},
		{"UDP", unfinished(simUDP(false, data)), nil},
		{"IPv6 TCP", unfinished(simTCP(true, data)), nil},
		{"IPv6 UDP", unfinished(simUDP(true, data)), nil},
		{"UDP around a finished packet", unfinished(tunnel(t, 22, simTCP(false, data), "")), nil},
		{"UDP around data that looks like a packet", unfinished(tunnel(t, 22, bytes.Repeat([]byte{0x45}, 300), "")), nil},
		{"VXLAN, no outer checksum", tunnel(t, 22, unfinished(simTCP(false, data)), "none"), queue.ErrUnsupported},
		{"VXLAN, outer checksum", tunnel(t, 22, unfinished(simTCP(false, data)), "finished"), queue.ErrUnsupported},
		{"VXLAN of IPv6 UDP", tunnel(t, 22, unfinished(simUDP(true, data)), "finished"), queue.ErrUnsupported},
		{"VXLAN-GPE", tunnel(t, 8, unfinished(simTCP(true, data)), "finished"), queue.ErrUnsupported},
		{"Geneve with options", tunnel(t, 260+14, unfinished(simUDP(false, data)), "finished"), queue.ErrUnsupported},
		{"Geneve in Geneve in Geneve, all options", tunnel(t, 274, tunnel(t, 274, tunnel(t, 274, unfinished(simTCP(true, data)), "none"), "none"), "finished"), queue.ErrUnsupported},
		{"VXLAN in VXLAN", tunnel(t, 22, tunnel(t, 22, unfinished(simTCP(false, data)), "none"), "none"), queue.ErrUnsupported},
		{"an inner packet with options", tunnel(t, 22, specimen(t, nil, head4Options(132), sctpHead)[:20+8+8], "none"), queue.ErrUnsupported},
		{"GRE", gre, queue.ErrUnsupported},
		{"IP in IP", specimen(t, unfinished(simTCP(false, data)), head4(4)), queue.ErrUnsupported},
		{"IPv6 in IPv4", specimen(t, unfinished(simUDP(true, data)), head4(41)), queue.ErrUnsupported},
		{"IPv4 in IPv6", specimen(t, unfinished(simUDP(false, data)), head6(4)), queue.ErrUnsupported},
		{"unknown protocol", specimen(t, data, head4(253)), queue.ErrUnsupported},
		{"fragment", set(simUDP(false, data), 6, 0x20), queue.ErrUnsupported},
		{"no next header", specimen(t, data, head6(59)), queue.ErrUnsupported},
	}
	simulate(t, []kind{nfqueueKind}, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		for _, test := range tests {
			packet := s.ofFamily(test.packet)
			packet.Checksum = kerneltest.Partial
			j := s.injectPacket(packet)
			p := s.next()
			err := p.Replace(p.Payload)
			if !errors.Is(err, test.want) {
				s.Errorf("%s: Replace = %v, want %v", test.name, err, test.want)
			}
			if err != nil {
				if !strings.Contains(err.Error(), "NoGSO") {
					s.Errorf("%s: %q names no remedy", test.name, err)
				}
				s.ok(p.Accept())
			}
			s.fate(j, kerneltest.Accepted)
			got, want := j.Result().Packet.Payload, test.packet
			if err == nil {
				want = fixed(s, want)
			}
			if !bytes.Equal(got, want) {
				s.Errorf("%s:\ngot  %x\nwant %x", test.name, got, want)
			}
			if err == nil {
				continue
			}
			// Another packet, to which nothing is owed, may take its place.
			j = s.injectPacket(packet)
			other := simUDP(test.packet[0]>>4 == 6, data)
			s.ok(s.next().Replace(append(other, make([]byte, 300)...)))
			s.fate(j, kerneltest.Accepted)
		}
	})
}

// TestReplaceOwedEnclosed puts a packet with an unfinished checksum into a packet
// of a tunnel, or cuts it into fragments. That is allowed once the checksum is
// finished, except for fragments, in which it is not found. An ICMP error may
// quote the packet as it is.
func TestReplaceOwedEnclosed(t *testing.T) {
	ways := map[string]func(inner []byte) []byte{
		"IP in IP": func(b []byte) []byte { return specimen(t, b, head4(4)) },
		"in IPv6":  func(b []byte) []byte { return specimen(t, b, head6(41)) },
		"GRE":      func(b []byte) []byte { return specimen(t, b, head4(47), greHead) },
		"UDP":      func(b []byte) []byte { return tunnel(t, 0, b, "") },
		"VXLAN":    func(b []byte) []byte { return tunnel(t, 22, b, "none") },
		"ICMP":     func(b []byte) []byte { return specimen(t, b, head4(1), []byte{3, 3, 0, 0, 0, 0, 0, 0}) },
		"fragment": func(b []byte) []byte {
			return specimen(t, b[headerLen(b):], set(head4(b[9]), 6, 0x20))
		},
	}
	simulate(t, []kind{nfqueueKind}, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		for _, owed := range [][]byte{simTCP(false, pattern(60)), simUDP(false, pattern(60)), simTCP(true, pattern(60)), simUDP(true, pattern(60))} {
			for name, enclose := range ways {
				if name == "fragment" && owed[0]>>4 == 6 {
					continue
				}
				for _, finish := range []bool{false, true} {
					packet := s.ofFamily(unfinished(owed))
					packet.Checksum = kerneltest.Partial
					j := s.injectPacket(packet)
					p := s.next()
					b, want := bytes.Clone(p.Payload), error(queue.ErrUnsupported)
					if finish {
						b = fixed(s, b)
					}
					if name == "ICMP" || finish && name != "fragment" {
						want = nil
					}
					if b = enclose(b); b[0]>>4 != p.Payload[0]>>4 {
						s.ok(p.Accept()) // Replace refuses another IP version
						continue
					}
					err := p.Replace(b)
					if !errors.Is(err, want) {
						s.Errorf("%s, finished %t: Replace = %v, want %v", name, finish, err, want)
					}
					if err != nil {
						s.ok(p.Accept())
					}
					s.fate(j, kerneltest.Accepted)
				}
			}
		}
	})
}

// TestReplaceOwedChanged changes the inner packet of a tunnel, whose unfinished
// checksum then is no longer the sum of its pseudo-header.
func TestReplaceOwedChanged(t *testing.T) {
	const header, at = 22, 20 + 8 + 22
	changes := map[string]func(inner []byte) []byte{
		"address": func(b []byte) []byte { return set(b, headerLen(b)-1, 99) },
		"port":    func(b []byte) []byte { return set(b, headerLen(b), 99) },
		"shorter": func(b []byte) []byte {
			if b[0]>>4 == 6 {
				return set(b, 4, 0, byte(len(b)-40-4))[:len(b)-4]
			}
			return set(b, 2, 0, byte(len(b)-4))[:len(b)-4]
		},
	}
	simulate(t, []kind{nfqueueKind}, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		for _, inner := range [][]byte{simTCP(false, pattern(60)), simTCP(true, pattern(60)), simUDP(false, pattern(60)), simUDP(true, pattern(60))} {
			old := tunnel(s, header, unfinished(inner), "finished")
			for name, change := range changes {
				for _, finish := range []bool{false, true} {
					packet := s.ofFamily(old)
					packet.Checksum = kerneltest.Partial
					j := s.injectPacket(packet)
					p := s.next()
					b := change(bytes.Clone(p.Payload[at:]))
					var want error = queue.ErrUnsupported
					if finish {
						b, want = fixed(s, changedLengths(s, b)), nil
					}
					err := p.ReplaceData(append(make([]byte, header), b...))
					if !errors.Is(err, want) {
						s.Errorf("%x, %s, finished %t: %v, want %v", inner[:1], name, finish, err, want)
					}
					if err != nil {
						s.ok(p.Accept())
					}
					s.fate(j, kerneltest.Accepted)
				}
			}
		}
	})
}

// changedLengths returns b with right lengths.
func changedLengths(t testing.TB, b []byte) []byte {
	t.Helper()
	if err := checksum.Resize(b); err != nil {
		t.Fatal(err)
	}
	return b
}

// TestReplaceOwedUnseen makes packets in mode MetaOnly, from nothing that is owed.
func TestReplaceOwedUnseen(t *testing.T) {
	simulate(t, []kind{nfqueueKind}, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{Mode: queue.MetaOnly})
		for _, b := range [][]byte{
			set(simUDP(false, pattern(9)), 26, 0, 0), specimen(s, pattern(9), head4(253)), simTCP(false, pattern(9)),
		} {
			j := s.injectPacket(kerneltest.Packet{Payload: simTCP(false, pattern(99)), Checksum: kerneltest.Partial})
			s.ok(s.next().Replace(b))
			s.fate(j, kerneltest.Accepted)
			if got := j.Result().Packet.Payload; !bytes.Equal(got, b) {
				s.Errorf("got  %x\nwant %x", got, b)
			}
		}
	})
}

// TestReplaceGSOKinds checks that Replace and ReplaceRaw refuse GSO packets
// other than TCP, and replacements with other headers.
func TestReplaceGSOKinds(t *testing.T) {
	data := pattern(3000)
	tcp, udp := simTCP(false, data), simUDP(false, data)
	tests := []struct {
		name     string
		old, new []byte
		mode     queue.Mode
	}{
		{"UDP", udp, udp, 0},
		{"IPv6 UDP", simUDP(true, data), simUDP(true, data), 0},
		{"IPv6 UDP, options", specimen(t, data, head6(0), hopHead(17), udpHead), specimen(t, data, head6(0), hopHead(17), udpHead), 0},
		{"GRE", specimen(t, tcp, head4(47), greHead), specimen(t, tcp, head4(47), greHead), 0},
		{"IP in IP", specimen(t, tcp, head4(4)), specimen(t, tcp, head4(4)), 0},
		{"TCP becomes UDP", tcp, specimen(t, pattern(3012), head4(17), udpHead), 0},
		{"other header length", tcp, specimen(t, pattern(2992), head4Options(6), tcpHead), 0},
		{"headers not copied", tcp, tcp, 19},
	}
	simulate(t, []kind{nfqueueKind}, kerneltest.Options{}, func(s *sim) {
		for _, test := range tests {
			q := s.open(queue.Config{Mode: test.mode})
			packet := s.ofFamily(test.old)
			packet.GSO, packet.Checksum = 1000, kerneltest.Partial
			for _, raw := range []bool{false, true} {
				j := s.injectPacket(packet)
				p := s.next()
				err := p.Decide(queue.Verdict{Action: queue.Accept, Payload: test.new, Raw: raw})
				if !errors.Is(err, queue.ErrUnsupported) || !strings.Contains(err.Error(), "NoGSO") {
					s.Errorf("%s, raw %t: %v, want ErrUnsupported and a remedy", test.name, raw, err)
				}
				s.ok(p.Accept())
				s.fate(j, kerneltest.Accepted)
			}
			s.ok(q.Close())
			synctest.Wait()
		}
	})
}

// TestReplaceNotedOptions changes IPv4 options, whose positions the kernel has
// noted at all hooks but Prerouting.
func TestReplaceNotedOptions(t *testing.T) {
	with := func(options ...byte) []byte {
		head := append(head4(17), options...)
		head[0] = 0x40 | byte(len(head)/4)
		return specimen(t, pattern(50), head, udpHead)
	}
	noOperation := bytes.Repeat([]byte{1}, 8)
	simulate(t, []kind{nfqueueKind}, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		for name, options := range map[string][]byte{
			"record route": {1, 7, 7, 4, 0, 0, 0, 0},
			"timestamp":    {68, 8, 5, 0, 0, 0, 0, 0},
			"source route": {131, 7, 8, 10, 0, 0, 9, 0},
			"strict route": {137, 7, 8, 10, 0, 0, 9, 0},
			"CIPSO":        {134, 6, 0, 0, 0, 1, 0, 0},
			"router alert": {148, 4, 0, 0, 0, 0, 0, 0},
		} {
			old := with(options...)
			for _, hook := range []kerneltest.Hook{
				kerneltest.PreRouting, kerneltest.LocalIn, kerneltest.Forward, kerneltest.LocalOut, kerneltest.PostRouting,
			} {
				changes := map[string][]byte{"unchanged": old, "no operation": with(noOperation...)}
				if hook != kerneltest.PreRouting && hook != kerneltest.LocalIn {
					changes["removed"] = with()
				}
				for how, b := range changes {
					for _, raw := range []bool{false, true} {
						var want error
						if name != "router alert" && how != "unchanged" && hook != kerneltest.PreRouting {
							want = queue.ErrUnsupported
						}
						j := s.injectPacket(kerneltest.Packet{Payload: old, Hook: hook})
						p := s.next()
						err := p.Decide(queue.Verdict{Action: queue.Accept, Payload: b, Raw: raw})
						if !errors.Is(err, want) {
							s.Errorf("hook %d, %s, %s, raw %t: %v, want %v", hook, name, how, raw, err, want)
						}
						if err != nil {
							s.ok(p.Accept())
						}
						s.fate(j, kerneltest.Accepted)
					}
				}
			}
		}
	})
}

// TestReplaceNotedUnseen replaces a packet whose options were not copied whole.
func TestReplaceNotedUnseen(t *testing.T) {
	old, b := specimen(t, pattern(50), head4Options(17), udpHead), simUDP(false, pattern(9))
	simulate(t, []kind{nfqueueKind}, kerneltest.Options{}, func(s *sim) {
		for n, want := range map[int]error{1: queue.ErrUnsupported, 27: queue.ErrUnsupported, 28: nil} {
			q := s.open(queue.Config{Mode: queue.Range(n)})
			j := s.injectPacket(kerneltest.Packet{Payload: old, Hook: kerneltest.Forward})
			p := s.next()
			if err := p.Replace(b); !errors.Is(err, want) {
				s.Errorf("%d bytes copied: %v, want %v", n, err, want)
			}
			_ = p.Accept() // if it was refused
			s.fate(j, kerneltest.Accepted)
			s.ok(q.Close())
			synctest.Wait()
		}
	})
}

// TestReplaceHopByHopUnseen replaces a packet whose hop-by-hop header was not
// copied up to its length, which must stay.
func TestReplaceHopByHopUnseen(t *testing.T) {
	old := specimen(t, pattern(50), head6(0), hopHead(17), udpHead)
	simulate(t, []kind{nfqueueKind}, kerneltest.Options{}, func(s *sim) {
		for _, hook := range []kerneltest.Hook{kerneltest.PreRouting, kerneltest.LocalIn, kerneltest.Forward} {
			for _, n := range []int{40, 41, 42} {
				q := s.open(queue.Config{Mode: queue.Range(n)})
				for with, b := range map[bool][]byte{true: old, false: simUDP(true, pattern(9))} {
					var want error
					if hook != kerneltest.Forward && (n < 42 || !with) {
						want = queue.ErrUnsupported
					}
					packet := s.ofFamily(old)
					packet.Hook = hook
					j := s.injectPacket(packet)
					p := s.next()
					if err := p.Replace(b); !errors.Is(err, want) {
						s.Errorf("hook %d, %d bytes copied, replaced by one with the header %t: %v, want %v", hook, n, with, err, want)
					}
					_ = p.Accept() // if it was refused
					s.fate(j, kerneltest.Accepted)
				}
				s.ok(q.Close())
				synctest.Wait()
			}
		}
	})
}

// TestReplacePaddingCut gives back copies that lack only padding.
func TestReplacePaddingCut(t *testing.T) {
	simulate(t, []kind{nfqueueKind}, kerneltest.Options{}, func(s *sim) {
		q := s.open(queue.Config{Mode: queue.Range(80)})
		defer q.Close()
		for _, b := range [][]byte{
			simUDP(false, pattern(40)), simUDP(true, pattern(20)), simTCP(false, pattern(40)), simTCP(true, pattern(20)),
		} {
			j := s.injectPacket(s.ofFamily(append(bytes.Clone(b), make([]byte, 80)...)))
			p := s.next()
			s.ok(p.Replace(p.Payload))
			s.fate(j, kerneltest.Accepted)
			want := append(bytes.Clone(b), make([]byte, 80-len(b))...)
			if got := j.Result().Packet.Payload; !bytes.Equal(got, want) {
				s.Errorf("got  %x\nwant %x", got, want)
			}
		}
	})
}

// TestReplaceOtherOwed replaces bridged packets that the kernel does not report
// as IP, for example with a VLAN tag.
func TestReplaceOtherOwed(t *testing.T) {
	simulate(t, []kind{nfqueueKind}, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		b := append([]byte{0, 7, 8, 0}, unfinished(simTCP(false, pattern(3000)))...)
		for _, test := range []struct {
			gso      int
			checksum kerneltest.Checksum
			raw      bool
			want     error
		}{
			{0, kerneltest.Complete, false, nil},
			{0, kerneltest.Partial, true, nil},
			{0, kerneltest.Partial, false, queue.ErrUnsupported},
			{1000, kerneltest.Partial, false, queue.ErrUnsupported},
			{1000, kerneltest.Partial, true, queue.ErrUnsupported},
		} {
			j := s.injectPacket(kerneltest.Packet{Family: kerneltest.Bridge, Protocol: 0x8100, Payload: b, GSO: test.gso, Checksum: test.checksum})
			p := s.next()
			err := p.Decide(queue.Verdict{Action: queue.Accept, Payload: p.Payload, Raw: test.raw})
			if !errors.Is(err, test.want) {
				s.Errorf("%+v: %v", test, err)
			}
			if err != nil {
				s.ok(p.Accept())
			}
			s.fate(j, kerneltest.Accepted)
			if got := j.Result().Packet.Payload; !bytes.Equal(got, b) {
				s.Errorf("%+v: the packet was changed", test)
			}
		}
	})
}

// TestReplaceCoverage replaces UDP-Lite whose checksum covers the whole packet.
// That of the replacement does as well.
func TestReplaceCoverage(t *testing.T) {
	simulate(t, []kind{nfqueueKind}, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		for _, n := range []int{0, 10, 50, 51, 3000} {
			old := specimen(s, pattern(50), head4(136), []byte{0x30, 0x39, 0, 80, 0, 58, 0, 0})
			j := s.injectPayload(old)
			s.ok(s.next().ReplaceData(pattern(n)))
			s.fate(j, kerneltest.Accepted)
			want := append(join(head4(136), []byte{0x30, 0x39, 0, 80, byte((8 + n) >> 8), byte(8 + n), 0, 0}), pattern(n)...)
			if got := j.Result().Packet.Payload; !bytes.Equal(got, specimen(s, nil, want)) {
				s.Errorf("%d bytes: %.40x", n, got)
			}
		}
	})
}

// TestReplacePartialCoverage replaces UDP-Lite and DCCP whose checksum covers
// only a part of the packet. If the replacement is shorter than that part, it
// covers all.
func TestReplacePartialCoverage(t *testing.T) {
	udpLite := func(covered byte) []byte { return []byte{0x30, 0x39, 0, 80, 0, covered, 0, 0} }
	dccp := func(words byte) []byte { return append([]byte{0x30, 0x39, 0, 80, 4, words}, dccpHead[6:]...) }
	simulate(t, []kind{nfqueueKind}, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		for _, test := range []struct {
			protocol  byte
			old, want []byte
			n         int
		}{
			{136, udpLite(20), udpLite(13), 5},
			{136, udpLite(20), udpLite(8), 0},
			{136, udpLite(20), udpLite(20), 12},
			{136, udpLite(20), udpLite(20), 100},
			{33, dccp(3), dccp(0), 7},
			{33, dccp(3), dccp(3), 8},
			{33, dccp(3), dccp(3), 100},
			{33, dccp(1), dccp(1), 0},
		} {
			j := s.injectPayload(specimen(s, pattern(50), head4(test.protocol), test.old))
			s.ok(s.next().ReplaceData(pattern(test.n)))
			s.fate(j, kerneltest.Accepted)
			want := specimen(s, pattern(test.n), head4(test.protocol), test.want)
			if got := j.Result().Packet.Payload; !bytes.Equal(got, want) {
				s.Errorf("protocol %d, %d bytes:\ngot  %x\nwant %x", test.protocol, test.n, got, want)
			}
		}
	})
}

// FuzzReplaceUnchanged gives any packet back as it is. Nothing changes but
// checksums, and they only if they were wrong or owed.
func FuzzReplaceUnchanged(f *testing.F) {
	for _, b := range oddities(f) {
		f.Add(b, false)
		f.Add(b, true)
	}
	f.Add(unfinished(simTCP(false, pattern(9))), true)
	f.Add(tunnel(f, 22, unfinished(simTCP(false, pattern(9))), "finished"), true)
	// Checksums that cover more than there is, in packets whose length is wrong, too.
	f.Add(set(set(specimen(f, pattern(9), head4(136), udpLiteHead), 24, 0x30, 0x30), 2, 0x30), false)
	f.Add(set(set(specimen(f, pattern(9), head4(33), dccpHead), 25, 0x0f), 2, 0x30), false)
	f.Fuzz(func(t *testing.T, b []byte, owed bool) {
		if len(b) == 0 || len(b) > 65531 {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			s := newSim(t, nfqueueKind, kerneltest.Options{})
			s.open(queue.Config{})
			packet := s.ofFamily(b)
			if owed {
				packet.Checksum = kerneltest.Partial
			}
			j := s.injectPacket(packet)
			p := s.next()
			if err := p.Replace(p.Payload); err != nil {
				if !errors.Is(err, queue.ErrInvalid) && !errors.Is(err, queue.ErrUnsupported) {
					s.Errorf("Replace: %v", err)
				}
				s.ok(p.Accept())
				return
			}
			s.fate(j, kerneltest.Accepted)
			got := j.Result().Packet.Payload
			want := bytes.Clone(b)
			valid, err := checksum.Valid(b)
			if errors.Is(err, checksum.ErrMalformed) || errors.Is(err, checksum.ErrTruncated) {
				err = checksum.Resize(want) // lengths that contradict the packet
			} else {
				err = nil
			}
			absent := b[0]>>4 == 6 && !owed && noUDPSum(b)
			if !valid && !absent && err == nil {
				err = checksum.Fix(want)
			}
			if err != nil && !errors.Is(err, checksum.ErrLeftAlone) {
				s.Errorf("Replace took what cannot be repaired: %v", err)
			}
			if !bytes.Equal(got, want) {
				s.Errorf("replaced by itself:\ngot  %x\nwant %x", got, want)
			}
		})
	})
}

// noUDPSum reports whether the UDP checksum of an IPv6 packet is left out.
func noUDPSum(b []byte) bool {
	protocol, segment := queue.Packet{Payload: b}.Transport()
	return protocol == 17 && len(segment) >= 8 && segment[6]|segment[7] == 0
}
