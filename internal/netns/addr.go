package netns

import (
	"context"
	"fmt"
	"net/netip"
)

// AddAddr gives the link an address, through which the subnet becomes
// reachable. IPv6 does without duplicate address detection, but see WaitAddr.
func (l Link) AddAddr(prefix netip.Prefix) error {
	body, err := addrMessage(l.Index, prefix)
	if err != nil {
		return err
	}
	if err := l.ns.create(rtmNewAddr, body); err != nil {
		return fmt.Errorf("netns: add address %v to %s: %w", prefix, l.Name, err)
	}
	return nil
}

// AddRoute sends what goes to the subnet through the gateway, whose own subnet
// must be reachable.
func (n *Namespace) AddRoute(subnet netip.Prefix, gateway netip.Addr) error {
	body, err := routeMessage(subnet, gateway)
	if err != nil {
		return err
	}
	if err := n.create(rtmNewRoute, body); err != nil {
		return fmt.Errorf("netns: add route to %v via %v: %w", subnet, gateway, err)
	}
	return nil
}

// WaitAddr waits until the namespace takes packets to the address for its own.
// An IPv6 address is routed some time after it was given to a link, even
// without duplicate address detection (net/ipv6/addrconf.c, addrconf_dad_work).
// The link must be up.
func (l Link) WaitAddr(ctx context.Context, addr netip.Addr) error {
	err := poll(ctx, func() (bool, error) { return l.ns.isLocal(addr) })
	if err != nil {
		return fmt.Errorf("netns: wait for address %v of %s: %w", addr, l.Name, err)
	}
	return nil
}

// isLocal asks for the route to the address. A local one may be missing, or
// that of the subnet be found in its place.
func (n *Namespace) isLocal(addr netip.Addr) (bool, error) {
	body, err := getRouteMessage(addr)
	if err != nil {
		return false, err
	}
	replies, err := n.request(rtmGetRoute, 0, body)
	if err != nil {
		return false, ignoreUnreachable(err)
	}
	typ, err := parseRouteType(replies)
	return typ == rtnLocal, err
}
