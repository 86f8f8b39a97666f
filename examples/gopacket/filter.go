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

// options make gopacket do no more than is asked.
//
// NoCopy lets layers refer to the payload instead of a copy. The payload is
// memory of the queue, valid until the verdict, and so are all layers, with
// every slice in them (Contents, Payload, addresses). This is safe as long as
// whoever decodes a packet is done with its layers when the verdict is given;
// what is to live longer has to be copied, numbers by assignment, bytes by
// slices.Clone. A program that keeps layers themselves decodes p.Clone().
// NoCopy also asks that nobody changes the bytes, which the queue does not do
// before the verdict.
//
// Lazy decodes up to the layer that is asked for: here the Ethernet frame in
// the tunnel is not looked at. A lazy packet must stay in one goroutine.
//
// NewPacket allocates for each packet all the same. Where that matters, a
// gopacket.DecodingLayerParser fills the same layers again and again.
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
