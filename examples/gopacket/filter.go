package main

import (
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// enough of a packet for its headers up to VXLAN's, IPv4 options or IPv6
// extension headers included.
const enough = 256

// A filter is the set of VXLAN networks whose packets may pass.
type filter map[uint32]bool

// options make gopacket do only the necessary work.
//
// With NoCopy, layers refer to the payload instead of a copy. The payload is memory
// of the queue and valid until the verdict. The same is true for all layers and every
// slice in them (Contents, Payload, addresses), so the program must not use them
// after the verdict. Copy values that must live longer: numbers by assignment, bytes
// with slices.Clone. To keep the layers themselves, decode p.Clone() instead. NoCopy
// also requires that the bytes do not change; the queue does not change them before
// the verdict.
//
// With Lazy, gopacket decodes only up to the requested layer: here it does not decode
// the Ethernet frame in the tunnel. A lazy packet must stay in one goroutine.
//
// NewPacket still allocates for each packet. If that matters, use a
// gopacket.DecodingLayerParser, which reuses its layers.
var options = gopacket.DecodeOptions{Lazy: true, NoCopy: true}

// passes reports whether the packet is VXLAN of one of the networks. What
// cannot be decoded so far does not pass. Nor do fragments: VXLAN endpoints
// must not fragment, and may discard fragments (RFC 7348, section 4.3).
func (f filter) passes(payload []byte) bool { return f.passesAs(payload, options) }

func (f filter) passesAs(payload []byte, o gopacket.DecodeOptions) bool {
	packet := gopacket.NewPacket(payload, version(payload), o)
	vxlan, ok := packet.Layer(layers.LayerTypeVXLAN).(*layers.VXLAN)
	return ok && vxlan.ValidIDFlag && f[vxlan.VNI]
}

// version is the decoder for what payload begins with: there is no link header
// in front of IP.
func version(payload []byte) gopacket.Decoder {
	if len(payload) > 0 && payload[0]>>4 == 6 {
		return layers.LayerTypeIPv6
	}
	return layers.LayerTypeIPv4
}
