package checksum

import (
	"encoding/hex"
	"strings"
	"testing"
)

// A sample is a packet written by hand. Its checksums, which are right, are in
// brackets; bytes in a checksum field without brackets are to stay as they are.
type sample struct {
	name string
	text string
	left error // what Fix says of it, nil or an ErrLeftAlone
}

// parse returns the bytes of the sample, and the positions of the checksums.
func (s sample) parse(t testing.TB) (packet []byte, checks []int) {
	t.Helper()
	inside := false
	for line := range strings.Lines(s.text) {
		line, _, _ = strings.Cut(line, "//")
		line = strings.NewReplacer("[", " [ ", "]", " ] ").Replace(line)
		for word := range strings.FieldsSeq(line) {
			if word == "[" || word == "]" {
				inside = word == "["
				continue
			}
			b, err := hex.DecodeString(word)
			if err != nil || len(b) != 1 {
				t.Fatalf("%s: %q is no byte", s.name, word)
			}
			if inside {
				checks = append(checks, len(packet))
			}
			packet = append(packet, b[0])
		}
	}
	return packet, checks
}

// sampleBytes returns the bytes of the sample of the given name.
func sampleBytes(t testing.TB, name string) []byte {
	t.Helper()
	for _, s := range samples {
		if s.name == name {
			packet, _ := s.parse(t)
			return packet
		}
	}
	t.Fatalf("no sample %q", name)
	return nil
}

var samples = []sample{
	{name: "TCP", text: `
		45 00 00 2b    // IPv4, 20 bytes; total length 43
		1c 46 40 00    // id; do not fragment
		40 06 [32 50]  // TTL 64; TCP
		c0 00 02 01    // from 192.0.2.1
		c6 33 64 02    // to 198.51.100.2
		d4 31 00 50    // TCP: port 54321 to 80
		00 00 10 01    // sequence number
		00 00 20 02    // acknowledgment
		50 18 20 00    // 20 bytes; PSH, ACK; window
		[da aa] 00 00  // urgent pointer
		61 62 63       // data`},

	{name: "TCP with options", text: `
		45 00 00 30 00 01 00 00 40 06 [66 c5] 0a 00 00 01 0a 00 00 02
		30 39 01 bb 00 00 00 07 00 00 00 00  // TCP: port 12345 to 443
		70 02 ff ff [3e 1b] 00 00            // 28 bytes; SYN
		02 04 05 b4 01 03 03 07              // MSS 1460, window scale 7`},

	{name: "TCP whose checksum comes out as zero", text: `
		45 00 00 2a 00 00 00 00 40 06 [66 cc] 0a 00 00 01 0a 00 00 02
		30 39 00 50 00 00 00 01 00 00 00 00 50 10 20 00 [00 00] 00 00
		4b 46 // data that brings the sum to ffff`},

	{name: "UDP", text: `
		45 00 00 21 00 00 00 00 40 11 [66 ca] // IPv4, total length 33; UDP
		0a 00 00 01 0a 00 00 02
		13 88 00 35    // UDP: port 5000 to 53
		00 0d [94 42]  // length 13
		68 65 6c 6c 6f // data, odd`},

	{name: "UDP without a checksum", text: `
		45 00 00 21 00 00 00 00 40 11 [66 ca]
		0a 00 00 01 0a 00 00 02
		13 88 00 35 00 0d 00 00 // UDP: the sender made no checksum
		68 65 6c 6c 6f`},

	{name: "UDP whose checksum comes out as zero", text: `
		45 00 00 1e 00 00 00 00 40 11 [66 cd]
		0a 00 00 01 0a 00 00 02
		13 88 00 35 00 0a [ff ff] // UDP: sent as ones
		d8 1a                     // data that brings the sum to ffff`},

	{name: "UDP without data", text: `
		45 00 00 1c 00 00 00 00 40 11 [66 cf] 0a 00 00 01 0a 00 00 02
		13 88 00 35 00 08 [d8 1e]`},

	{name: "UDP shorter than its packet", text: `
		45 00 00 23 00 00 00 00 40 11 [66 c8] // IPv4, total length 35
		0a 00 00 01 0a 00 00 02
		13 88 00 35 00 0b [13 b6]             // UDP, length 11
		61 62 63
		de ad be ef                           // not covered`},

	{name: "link padding", text: `
		45 00 00 1d 00 00 00 00 40 11 [66 ce] // IPv4, total length 29
		0a 00 00 01 0a 00 00 02
		13 88 00 35 00 09 [77 1c] 61
		de ad be ef de ad be ef de ad be ef de ad be ef de // not of the packet`},

	{name: "IPv4 options", text: `
		47 00 00 24    // IPv4, 28 bytes; total length 36
		00 00 00 00
		40 11 [59 c0]
		0a 00 00 01 0a 00 00 02
		07 07 04 00 00 00 00 00 // record route, empty; end of list
		13 88 00 35 00 08 [d8 1e]`},

	{name: "loose source route under way", text: `
		48 00 00 34    // IPv4, 32 bytes; total length 52
		00 00 00 00 40 06 [6a 62]
		0a 00 00 01
		0a 00 00 fe    // to the next stop
		01             // no operation
		83 0b 04       // loose source route, 11 bytes, next at 4
		c0 a8 00 fe    // 192.168.0.254
		c6 33 64 02    // 198.51.100.2, which the pseudo-header has
		30 39 00 50 00 00 00 01 00 00 00 00 50 02 20 00 [2b 22] 00 00`},

	{name: "strict source route used up", text: `
		47 00 00 24
		00 00 00 00 40 11 [0c ca]
		0a 00 00 01
		c6 33 64 02    // to the end of the route
		89 07 08       // strict source route, 7 bytes, next at 8: none
		c0 a8 00 fe    // where the packet came through
		00             // end of list
		13 88 00 35 00 08 [b7 ea]`},

	{name: "IPv4 authentication header", text: `
		45 00 00 35 00 00 00 00 40 33 [66 94] // IPv4, total length 53; AH
		0a 00 00 01 0a 00 00 02
		11 04 00 00    // AH: UDP, 24 bytes
		00 00 01 00    // security parameters index
		00 00 00 01    // sequence number
		a1 a2 a3 a4 a5 a6 a7 a8 a9 aa ab ac // integrity check value
		13 88 00 35 00 09 [77 1c] 61`},

	{name: "ICMP echo", text: `
		45 00 00 1f 00 00 00 00 40 01 [66 dc] // IPv4, total length 31; ICMP
		0a 00 00 01 0a 00 00 02
		08 00 [21 68] // echo request
		12 34 00 01   // id, sequence number
		61 62 63`},

	{name: "ICMP of zeros", text: `
		45 00 00 20 00 00 00 00 40 01 [66 db]
		0a 00 00 01 0a 00 00 02
		00 00 [ff ff] 00 00 00 00 // echo reply
		00 00 00 00`},

	{name: "IGMP", text: `
		46 c0 00 20 00 00 40 00 01 02 [e9 12] // IPv4, 24 bytes; IGMP
		0a 00 00 01 ef 01 02 03
		94 04 00 00   // router alert
		16 00 [f8 fa] // version 2 membership report
		ef 01 02 03   // group 239.1.2.3`},

	{name: "UDP-Lite, all covered", text: `
		45 00 00 20 00 00 00 00 40 88 [66 54] // IPv4, total length 32; UDP-Lite
		0a 00 00 01 0a 00 00 02
		13 88 13 89    // port 5000 to 5001
		00 00 [ff 90]  // coverage: all
		61 62 63 64`},

	{name: "UDP-Lite, partly covered", text: `
		45 00 00 22 00 00 00 00 40 88 [66 52]
		0a 00 00 01 0a 00 00 02
		13 88 13 89
		00 0b [ff e7]  // coverage: 11 bytes
		61 62 63
		de ad be       // not covered`},

	{name: "DCCP, all covered", text: `
		45 00 00 28 00 00 00 00 40 21 [66 b3] // IPv4, total length 40; DCCP
		0a 00 00 01 0a 00 00 02
		13 88 13 89
		04 00 [f6 ee]  // header of 4 words; coverage 0: all
		05 00 00 00 00 00 00 01 // DATA, long sequence number
		61 62 63 64`},

	{name: "DCCP, header covered", text: `
		45 00 00 23 00 00 00 00 40 21 [66 b8]
		0a 00 00 01 0a 00 00 02
		13 88 13 89
		03 01 [bd b9]  // header of 3 words; coverage 1: nothing behind it
		04 00 00 01    // DATA, short sequence number
		de ad be       // not covered`},

	{name: "DCCP, partly covered", text: `
		45 00 00 28 00 00 00 00 40 21 [66 b3]
		0a 00 00 01 0a 00 00 02
		13 88 13 89
		03 02 [f8 ec]  // coverage 2: one word of data
		04 00 00 01
		61 62 63 64
		de ad be ef    // not covered`},

	{name: "SCTP", text: `
		45 00 00 24 00 00 00 00 40 84 [66 54] // IPv4, total length 36; SCTP
		0a 00 00 01 0a 00 00 02
		13 88 13 89 12 34 56 78 // ports, verification tag
		[02 7a 7a 34]           // CRC32c
		0b 00 00 04             // COOKIE ACK`},

	{name: "IPv6 TCP", text: `
		60 01 23 45    // IPv6, flow label
		00 17 06 40    // payload length 23; TCP; hop limit 64
		20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01 // from 2001:db8::1
		20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 02 // to 2001:db8::2
		30 39 00 50 00 00 00 01 00 00 00 02 50 18 20 00 [3f 66] 00 00
		61 62 63`},

	{name: "IPv6 UDP", text: `
		60 00 00 00 00 0d 11 40 // IPv6, payload length 13; UDP
		20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01
		20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 02
		13 88 00 35 00 0d [4c d0]
		68 65 6c 6c 6f`},

	{name: "IPv6 UDP whose checksum comes out as zero", text: `
		60 00 00 00 00 0a 11 40
		20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01
		20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 02
		13 88 00 35 00 0a [ff ff] // UDP: sent as ones
		90 a8                     // data that brings the sum to ffff`},

	{name: "IPv6 UDP-Lite", text: `
		60 00 00 00 00 0a 88 40 // IPv6, payload length 10; UDP-Lite
		20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01
		20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 02
		13 88 13 89 00 08 [7c df] // coverage: the header
		de ad`},

	{name: "IPv6 DCCP", text: `
		60 00 00 00 00 0c 21 40 // IPv6, payload length 12; DCCP
		20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01
		20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 02
		13 88 13 89 03 00 [76 4b] 04 00 00 01`},

	{name: "ICMPv6", text: `
		60 00 00 00 00 09 3a 40 // IPv6, payload length 9; ICMPv6
		20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01
		20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 02
		80 00 [b1 11] 12 34 00 01 // echo request
		61`},

	{name: "no next header", text: `
		60 00 00 00 00 04 3b 40 // IPv6, payload length 4; nothing known
		20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01
		20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 02
		de ad be ef`},

	{name: "hop-by-hop and destination options", text: `
		60 00 00 00 00 20 00 40 // IPv6, payload length 32; hop-by-hop options
		20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01
		20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 02
		3c 00 05 02 00 00 01 00 // destination options; router alert, PadN
		11 01 00 00 1e 0a 00 00 00 00 00 00 00 00 00 00 // UDP; Pad1 twice, a test option
		13 88 00 35 00 08 [90 ac]`},

	{name: "routing header under way", text: `
		60 00 00 00 00 30 2b 40 // IPv6, payload length 48; routing header
		20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01
		20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 fe // to the next stop
		11 04 00 01             // UDP; 40 bytes; type 0; one segment left
		00 00 00 00
		20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 fd
		20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 02 // the pseudo-header has this
		13 88 00 35 00 08 [90 ac]`},

	{name: "routing header used up", text: `
		60 00 00 00 00 20 2b 40
		20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01
		20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 02 // the pseudo-header has this
		11 02 00 00 00 00 00 00 // UDP; 24 bytes; type 0; no segments left
		20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 fe
		13 88 00 35 00 08 [90 ac]`},

	{name: "mobile IPv6, both ends away", text: `
		60 00 00 00 00 38 2b 40
		20 01 0d b8 00 01 00 00 00 00 00 00 00 00 00 01 // from a care-of address
		20 01 0d b8 00 02 00 00 00 00 00 00 00 00 00 02 // to another
		3c 02 02 01 00 00 00 00 // destination options; 24 bytes; type 2; one left
		20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 02 // home of the receiver
		11 02 01 02 00 00       // UDP; 24 bytes; PadN
		c9 10                   // home address option
		20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01 // home of the sender
		13 88 00 35 00 08 [90 ac]`},

	{name: "segment routing header", text: `
		60 00 00 00 00 38 2b 40
		20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01
		20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 fe
		11 05 04 01 01 00 00 00 // UDP; 48 bytes; type 4; one left; last entry 1
		20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 02 // the end of the route
		20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 fe
		04 06 00 00 00 00 00 00 // PadN
		13 88 00 35 00 08 [90 ac]`},

	{name: "RPL source route", text: `
		60 00 00 00 00 18 2b 40
		20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01
		20 01 0d b8 00 00 00 00 00 00 00 00 00 00 aa fe
		11 01 03 02       // UDP; 16 bytes; type 3; two left
		ed 30 00 00       // 14 bytes left out, of the last 13; 3 of padding
		aa fd             // 2001:db8::aafd
		01 02 03          // 2001:db8::1:203
		00 00 00
		13 88 00 35 00 08 [8e aa]`},

	{name: "atomic fragment", text: `
		60 00 00 00 00 10 2c 40
		20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01
		20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 02
		11 5a 00 06 00 00 00 07 // UDP; reserved; offset 0, reserved, no more fragments
		13 88 00 35 00 08 [90 ac]`},

	{name: "IPv6 authentication header", text: `
		60 00 00 00 00 20 33 40
		20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01
		20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 02
		11 04 00 00 00 00 01 00 00 00 00 01             // AH: UDP, 24 bytes
		a1 a2 a3 a4 a5 a6 a7 a8 a9 aa ab ac
		13 88 00 35 00 08 [90 ac]`},

	{name: "SCTP behind an unknown routing header", text: `
		60 00 00 00 00 18 2b 40
		20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01
		20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 02
		84 00 fd 01 00 00 00 00 // SCTP; type 253, one segment left
		13 88 13 89 12 34 56 78 [02 7a 7a 34] 0b 00 00 04`},

	{name: "first fragment", left: errFragment, text: `
		45 00 00 24 00 07 20 00 // IPv4, total length 36; more fragments
		40 11 [46 c0] 0a 00 00 01 0a 00 00 02
		13 88 00 35 00 20 12 34 // UDP, of the whole datagram
		61 62 63 64 65 66 67 68`},

	{name: "last fragment", left: errFragment, text: `
		45 00 00 18 00 07 00 02 // IPv4, total length 24; offset 16
		40 06 [66 d5] 0a 00 00 01 0a 00 00 02
		61 62 63 64`},

	{name: "ESP", left: errEncrypted, text: `
		45 00 00 20 00 00 00 00 40 32 [66 aa] 0a 00 00 01 0a 00 00 02
		00 00 01 00 00 00 00 01 de ad be ef`},

	{name: "GRE", left: errProtocol, text: `
		45 00 00 18 00 00 00 00 40 2f [66 b5] 0a 00 00 01 0a 00 00 02
		00 00 08 00`},

	{name: "tunnel", left: errProtocol, text: `
		45 00 00 30 00 00 00 00 40 04 [66 c8] 0a 00 00 01 0a 00 00 02
		45 00 00 1c 00 00 00 00 40 11 12 34 0a 00 00 01 0a 00 00 02 // IPv4 again
		13 88 00 35 00 08 12 34`},

	{name: "ICMPv6 in IPv4", left: errProtocol, text: `
		45 00 00 1c 00 00 00 00 40 3a [66 a6] 0a 00 00 01 0a 00 00 02
		80 00 12 34 00 00 00 00`},

	{name: "IPv4 without a transport", left: errProtocol, text: `
		45 00 00 14 00 00 00 00 40 3b [66 ad] 0a 00 00 01 0a 00 00 02`},

	{name: "ICMP in IPv6", left: errProtocol, text: `
		60 00 00 00 00 08 01 40
		20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01
		20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 02
		08 00 12 34 00 00 00 00`},

	{name: "IPv6 first fragment", left: errFragment, text: `
		60 00 00 00 00 18 2c 40
		20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01
		20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 02
		11 00 00 01 00 00 00 07 // UDP; offset 0, more fragments
		13 88 00 35 00 20 12 34 61 62 63 64 65 66 67 68`},

	{name: "IPv6 last fragment", left: errFragment, text: `
		60 00 00 00 00 0c 2c 40
		20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01
		20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 02
		11 00 00 10 00 00 00 07 // UDP; offset 16
		61 62 63 64`},

	{name: "IPv6 ESP", left: errEncrypted, text: `
		60 00 00 00 00 0c 32 40
		20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01
		20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 02
		00 00 01 00 00 00 00 01 de ad be ef`},

	{name: "UDP behind an unknown routing header", left: errRouting, text: `
		60 00 00 00 00 10 2b 40
		20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01
		20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 02
		11 00 fd 01 00 00 00 00 // UDP; type 253, one segment left
		13 88 00 35 00 08 12 34`},
}
