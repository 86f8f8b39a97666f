package checksum_test

import (
	"encoding/binary"
	"fmt"
	"log"
	"net/netip"

	"github.com/ipqueue/ipqueue/checksum"
)

// query is a packet of the examples: UDP from 192.0.2.1:5000 to
// 198.51.100.2:53, with the data "hello".
func query() []byte {
	return []byte{
		0x45, 0, 0, 33, 0, 7, 0, 0, 64, 17, 0x8e, 0x8e, // IPv4: 20 bytes, 33 in all; UDP
		192, 0, 2, 1, 198, 51, 100, 2,
		0x13, 0x88, 0, 53, 0, 13, 0xbc, 0x0d, // UDP: ports, 13 bytes
		'h', 'e', 'l', 'l', 'o',
	}
}

// report prints the checksums of a packet like query, and if they are right.
func report(packet []byte) {
	valid, err := checksum.Valid(packet)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("header %x, UDP %x, valid %v\n", packet[10:12], packet[26:28], valid)
}

// The data of a packet changes, and its length does not.
func ExampleFix() {
	packet := query()
	report(packet)
	copy(packet[28:], "HELLO")
	report(packet)
	if err := checksum.Fix(packet); err != nil {
		log.Fatal(err)
	}
	report(packet)
	// Output:
	// header 8e8e, UDP bc0d, valid true
	// header 8e8e, UDP bc0d, valid false
	// header 8e8e, UDP 1c4e, valid true
}

// The data of a packet grows, so its lengths change first.
func ExampleResize() {
	packet := append(query(), ", world"...)
	if err := checksum.Resize(packet); err != nil {
		log.Fatal(err)
	}
	if err := checksum.Fix(packet); err != nil {
		log.Fatal(err)
	}
	fmt.Println("IPv4", binary.BigEndian.Uint16(packet[2:]), "bytes, UDP", binary.BigEndian.Uint16(packet[24:]))
	report(packet)
	// Output:
	// IPv4 40 bytes, UDP 20
	// header 8e87, UDP bf85, valid true
}

// An address changes. It is in the IPv4 header and in the pseudo-header of
// UDP, so both checksums follow.
func ExampleUpdate() {
	packet := query()
	destination := packet[16:20]
	was, is := [4]byte(destination), netip.MustParseAddr("203.0.113.9").As4()
	copy(destination, is[:])

	header := packet[10:12]
	binary.BigEndian.PutUint16(header, checksum.Update(binary.BigEndian.Uint16(header), was[:], is[:]))
	udp := packet[26:28]
	binary.BigEndian.PutUint16(udp, checksum.UpdateUDP(binary.BigEndian.Uint16(udp), was[:], is[:]))
	report(packet)
	// Output:
	// header 7cba, UDP aa39, valid true
}

// A port changes. It is only in the checksum of the transport.
func ExampleUpdateUDP() {
	packet := query()
	port := packet[22:24]
	was := [2]byte(port)
	binary.BigEndian.PutUint16(port, 5353)

	udp := packet[26:28]
	binary.BigEndian.PutUint16(udp, checksum.UpdateUDP(binary.BigEndian.Uint16(udp), was[:], port))
	report(packet)
	// Output:
	// header 8e8e, UDP a759, valid true
}

// A segment that lies in two pieces is summed without joining them.
func ExampleCombine() {
	header := []byte{0x13, 0x88, 0x00, 0x35, 0x00, 0x0d, 0x00, 0x00, 'h'}
	data := []byte("ello")

	sum := checksum.Combine(checksum.Sum(header), checksum.Sum(data), len(header))
	sum += checksum.PseudoIPv4([4]byte{192, 0, 2, 1}, [4]byte{198, 51, 100, 2}, 17, 13)
	fmt.Printf("%04x\n", ^checksum.Fold(sum))
	// Output:
	// bc0d
}
