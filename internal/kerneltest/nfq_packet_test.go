package kerneltest

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"
)

// kinds lists the attribute numbers of a packet message in order.
func kinds(b []byte) (list []int) {
	for b = b[headerLen+nfgenLen:]; len(b) >= attrHeaderLen; {
		n := int(native.Uint16(b))
		list = append(list, int(native.Uint16(b[2:])&attrType))
		b = b[min(align(n), len(b)):]
	}
	return list
}

var fullPacket = Packet{
	Mark: 1, Priority: 2, ClassID: 3,
	In: Device{1, "in"}, Out: Device{2, "out"}, PhysIn: Device{3, "p"}, PhysOut: Device{4, "q"},
	HWAddr: []byte{1, 2, 3, 4, 5, 6}, Time: time.Unix(7, 8000),
	VLAN: &VLAN{0x8100, 5}, LinkHeader: make([]byte, 14),
	Owner: &Owner{9, 10}, SecurityContext: []byte("label"), Conntrack: &Conntrack{}, ConntrackInfo: 2,
	GSO: 100, Checksum: Partial, Payload: ipv4("0123456789"),
}

// TestPacketAttributes checks when each attribute is sent, in the kernel's order.
func TestPacketAttributes(t *testing.T) {
	const all = flagMax - 1
	old := Version{5, 10}
	for name, tt := range map[string]struct {
		o      Options
		flags  uint32
		size   uint32
		change func(*Packet)
		want   []int
	}{
		"nothing": {Options{}, 0, 0, func(p *Packet) { *p = Packet{Payload: []byte{1}} }, []int{1, 10}},
		"empty":   {Options{}, 0, 0, func(p *Packet) { *p = Packet{} }, []int{1}},
		"all":     {Options{}, all, 20, nil, []int{1, 5, 7, 6, 8, 3, 21, 9, 4, 16, 17, 22, 18, 11, 12, 13, 14, 10}},
		"bridge": {Options{}, all, 20, func(p *Packet) { p.Family = Bridge },
			[]int{1, 7, 5, 8, 6, 3, 21, 9, 19, 20, 4, 16, 17, 22, 18, 11, 12, 13, 14, 10}},
		"old":      {Options{Linux: old}, all, 0, nil, []int{1, 5, 7, 6, 8, 3, 9, 4, 16, 17, 18, 11, 12, 14, 10}},
		"output":   {Options{}, flagGSO, 0, func(p *Packet) { p.Hook = LocalOut }, []int{1, 5, 7, 6, 8, 3, 21, 9, 22, 14, 10}},
		"no flags": {Options{}, 0, 0, func(p *Packet) { p.GSO = 0 }, []int{1, 5, 7, 6, 8, 3, 21, 9, 4, 22, 10}},
	} {
		t.Run(name, func(t *testing.T) {
			k, s := boundNFQ(t, tt.o, flagsAttr(tt.flags), modeAttr(nfqCopyPacket, tt.size))
			p := fullPacket
			if tt.change != nil {
				tt.change(&p)
			}
			k.Inject(p)
			got := receive(t, s)
			if len(got) != 1 || !equal(kinds(got[0]), tt.want) {
				t.Fatalf("attributes are %v, want %v", kinds(got[0]), tt.want)
			}
		})
	}
}

func equal(a, b []int) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// TestPacketAttributeBytes checks the contents that no recording contains.
func TestPacketAttributeBytes(t *testing.T) {
	k, s := boundNFQ(t, Options{}, flagsAttr(flagMax-1))
	p := fullPacket
	p.Family, p.Hook, p.Protocol = Bridge, Forward, 0x0806
	k.Inject(p)
	b := receive(t, s)[0]
	if family := b[headerLen]; family != 7 {
		t.Errorf("family is %d, want 7", family)
	}
	a, _ := parseAttributes(b[headerLen+nfgenLen:], attrMax, nil)
	vlan := binary.NativeEndian.AppendUint16(nil, 6)
	vlan = append(binary.NativeEndian.AppendUint16(vlan, attrVLANTCI), 0, 5, 0, 0)
	vlan = binary.NativeEndian.AppendUint16(vlan, 6)
	vlan = append(binary.NativeEndian.AppendUint16(vlan, attrVLANProtocol), 0x81, 0, 0, 0)
	for kind, want := range map[int][]byte{
		attrPacketHeader: {0, 0, 0, 1, 8, 6, 2},
		attrHWAddr:       {0, 6, 0, 0, 1, 2, 3, 4, 5, 6, 0, 0},
		attrTimestamp:    {0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 8},
		attrVLAN:         vlan,
		attrUID:          {0, 0, 0, 9},
		attrGID:          {0, 0, 0, 10},
		attrSecCtx:       []byte("label"),
		attrSkbInfo:      {0, 0, 0, 3},
	} {
		if !bytes.Equal(a[kind], want) {
			t.Errorf("attribute %d is %x, want %x", kind, a[kind], want)
		}
	}
}

// TestChecksumStates checks the three states with and without F_GSO.
func TestChecksumStates(t *testing.T) {
	whole := ipv4("hello")
	raw := bytes.Clone(whole)
	raw[26], raw[27] = 0x12, 0x34
	for _, tt := range []struct {
		flags    uint32
		mode     byte
		checksum Checksum
		info     uint32
		complete bool
	}{
		{0, nfqCopyPacket, Partial, 0, true},
		{flagGSO, nfqCopyPacket, Partial, 1, false},
		{0, nfqCopyMeta, Partial, 1, false},
		{0, nfqCopyPacket, Unverified, 4, false},
		{flagGSO, nfqCopyPacket, Complete, 0, false},
	} {
		k, s := boundNFQ(t, Options{}, flagsAttr(tt.flags), modeAttr(tt.mode, 0))
		j := k.Inject(Packet{Checksum: tt.checksum, Payload: raw})
		var info uint32
		if b := packets(t, s)[0][attrSkbInfo]; b != nil {
			info = network.Uint32(b)
		}
		if info != tt.info {
			t.Errorf("%+v: skb info %#x", tt, info)
		}
		if got := bytes.Equal(j.Result().Packet.Payload, whole); got != tt.complete {
			t.Errorf("%+v: checksum is complete: %v", tt, got)
		}
	}
}

// TestCapLen cuts a packet of the largest size by the 4 bytes of an attribute
// header.
func TestCapLen(t *testing.T) {
	k, s := boundNFQ(t, Options{})
	k.Inject(Packet{Payload: make([]byte, 65535)})
	a := packets(t, s)[0]
	if n := len(a[attrPayload]); n != 65531 {
		t.Errorf("payload has %d bytes, want 65531", n)
	}
	if n := network.Uint32(a[attrCapLen]); n != 65535 {
		t.Errorf("original length is %d, want 65535", n)
	}
}
