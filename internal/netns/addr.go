package netns

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/jsimonetti/rtnetlink/v2"
)

// Numbers of include/uapi/linux/rtnetlink.h, if_addr.h and socket.h.
const (
	ifaFNoDAD = 2

	rtTableMain   = 254
	rtprotBoot    = 3
	rtScopeGlobal = 0
	rtnUnicast    = 1
	rtnLocal      = 2

	afInet  = 2
	afInet6 = 10
)

// AddAddr adds an address to the link, which makes its subnet reachable. There is
// no duplicate address detection for IPv6, but see WaitAddr.
func (l Link) AddAddr(prefix netip.Prefix) error {
	addr := prefix.Addr().AsSlice()
	m := rtnetlink.AddressMessage{
		Family: family(prefix.Addr()), PrefixLength: byte(prefix.Bits()), Scope: rtScopeGlobal, Index: uint32(l.Index),
		Attributes: &rtnetlink.AddressAttributes{Address: addr, Local: addr},
	}
	if prefix.Addr().Is6() {
		m.Flags, m.Attributes.Flags = ifaFNoDAD, ifaFNoDAD
	}
	err := l.ns.route(func(c *rtnetlink.Conn) error { return c.Address.New(&m) })
	if err != nil {
		return fmt.Errorf("netns: add address %v to %s: %w", prefix, l.Name, err)
	}
	return nil
}

// AddRoute routes packets for the subnet through the gateway, whose own subnet must
// be reachable.
func (n *Namespace) AddRoute(subnet netip.Prefix, gateway netip.Addr) error {
	m := rtnetlink.RouteMessage{
		Family: family(gateway), DstLength: byte(subnet.Bits()),
		Table: rtTableMain, Protocol: rtprotBoot, Scope: rtScopeGlobal, Type: rtnUnicast,
		Attributes: rtnetlink.RouteAttributes{Dst: subnet.Masked().Addr().AsSlice(), Gateway: gateway.AsSlice()},
	}
	err := n.route(func(c *rtnetlink.Conn) error { return c.Route.Add(&m) })
	if err != nil {
		return fmt.Errorf("netns: add route to %v via %v: %w", subnet, gateway, err)
	}
	return nil
}

// WaitAddr waits until the namespace accepts packets to the address. The kernel
// adds the route of an IPv6 address with a delay, even without duplicate address
// detection (net/ipv6/addrconf.c, addrconf_dad_work). The link must be up.
func (l Link) WaitAddr(ctx context.Context, addr netip.Addr) error {
	err := poll(ctx, func() (bool, error) { return l.ns.isLocal(addr) })
	if err != nil {
		return fmt.Errorf("netns: wait for address %v of %s: %w", addr, l.Name, err)
	}
	return nil
}

// isLocal looks up the route to the address. The local route may not exist yet; the
// lookup then fails or finds the route of the subnet.
func (n *Namespace) isLocal(addr netip.Addr) (bool, error) {
	m := rtnetlink.RouteMessage{
		Family: family(addr), DstLength: byte(addr.BitLen()),
		Attributes: rtnetlink.RouteAttributes{Dst: addr.AsSlice()},
	}
	var routes []rtnetlink.RouteMessage
	err := n.route(func(c *rtnetlink.Conn) (err error) {
		routes, err = c.Route.Get(&m)
		return err
	})
	if err != nil {
		return false, ignoreUnreachable(err)
	}
	return len(routes) == 1 && routes[0].Type == rtnLocal, nil
}

func family(addr netip.Addr) byte {
	if addr.Is4() {
		return afInet
	}
	return afInet6
}
