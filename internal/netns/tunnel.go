package netns

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/jsimonetti/rtnetlink/v2"
	"github.com/mdlayher/netlink"
)

// A Tunnel is a link that encapsulates packets in packets to another host.
type Tunnel struct {
	// Type is the kernel's name of the type: vxlan, geneve, gre, gretap, ipip or
	// sit. The last four are for IPv4 hosts.
	Type string

	// Local and Remote are the addresses of the packets that are sent.
	Local, Remote netip.Addr

	// Checksum adds a checksum to the outer packets. ipip and sit do not support
	// it.
	Checksum bool
}

// AddTunnel creates a tunnel. It is down. The error matches EOPNOTSUPP if the kernel
// does not support its type.
func (n *Namespace) AddTunnel(name string, t Tunnel) (Link, error) {
	if err := n.addLink(newLink(name, tunnelDriver{t})); err != nil {
		return Link{}, fmt.Errorf("netns: add tunnel %s of type %s: %w", name, t.Type, err)
	}
	return n.Link(name)
}

// A tunnelDriver encodes the settings of a tunnel.
type tunnelDriver struct{ Tunnel }

func (d tunnelDriver) New() rtnetlink.LinkDriver              { return tunnelDriver{} }
func (d tunnelDriver) Kind() string                           { return d.Type }
func (d tunnelDriver) Decode(*netlink.AttributeDecoder) error { return errors.ErrUnsupported }
func (d tunnelDriver) Encode(ae *netlink.AttributeEncoder) error {
	for _, a := range d.attributes() {
		ae.Bytes(a.number, a.data)
	}
	return nil
}

type attribute struct {
	number uint16
	data   []byte
}

// attributes are those of include/uapi/linux/if_link.h and if_tunnel.h.
func (t Tunnel) attributes() []attribute {
	const id, vxlanPort, genevePort = 7, 4789, 6081
	local, remote := t.Local.AsSlice(), t.Remote.AsSlice()
	six := t.Remote.Is6()
	switch t.Type {
	case "vxlan":
		return []attribute{
			{1, native32(id)}, {choose(six, 17, 4), local}, {choose(six, 16, 2), remote}, {15, network16(vxlanPort)},
			{18, flag(t.Checksum)}, {19, flag(!t.Checksum)}, {20, flag(!t.Checksum)},
		}
	case "geneve":
		return []attribute{
			{1, native32(id)}, {choose(six, 7, 2), remote}, {5, network16(genevePort)},
			{8, flag(t.Checksum)}, {9, flag(!t.Checksum)}, {10, flag(!t.Checksum)},
		}
	case "gre", "gretap":
		const greChecksum = 0x8000
		flags := network16(0)
		if t.Checksum {
			flags = network16(greChecksum)
		}
		return []attribute{{6, local}, {7, remote}, {2, flags}, {3, flags}}
	}
	return []attribute{{2, local}, {3, remote}}
}

func choose(six bool, a, b uint16) uint16 {
	if six {
		return a
	}
	return b
}

func flag(set bool) []byte {
	if set {
		return []byte{1}
	}
	return []byte{0}
}

func native32(v uint32) []byte  { return binary.NativeEndian.AppendUint32(nil, v) }
func network16(v uint16) []byte { return binary.BigEndian.AppendUint16(nil, v) }
