package netns

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/mdlayher/netlink"
)

// A Link is a network device.
type Link struct {
	Name  string
	Index int // as in the NFQUEUE packet's ifindex attributes

	ns *Namespace
}

// Link returns the link of that name.
func (n *Namespace) Link(name string) (Link, error) {
	link := Link{Name: name, ns: n}
	err := n.Do(func() error {
		device, err := net.InterfaceByName(name)
		if err == nil {
			link.Index = device.Index
		}
		return err
	})
	return link, err
}

// AddVeth makes a pair of Ethernet links: what is sent on one arrives on the
// other. The second is made in peer, which may be n itself. Both are down.
func (n *Namespace) AddVeth(name string, peer *Namespace, peerName string) (near, far Link, err error) {
	file, err := peer.open()
	if err != nil {
		return near, far, err
	}
	defer file.Close()
	body, err := vethMessage(name, peerName, file.Fd())
	if err != nil {
		return near, far, err
	}
	if err := n.create(rtmNewLink, body); err != nil {
		return near, far, fmt.Errorf("netns: add veth pair %s, %s: %w", name, peerName, err)
	}
	if near, err = n.Link(name); err != nil {
		return near, far, err
	}
	far, err = peer.Link(peerName)
	return near, far, err
}

// AddBridge makes an Ethernet bridge without ports. It is down.
func (n *Namespace) AddBridge(name string) (Link, error) {
	body, err := bridgeMessage(name)
	if err != nil {
		return Link{}, err
	}
	if err := n.create(rtmNewLink, body); err != nil {
		return Link{}, fmt.Errorf("netns: add bridge %s: %w", name, err)
	}
	return n.Link(name)
}

// Delete removes the link, and the other end of a veth pair with it.
func (l Link) Delete() error {
	return l.change("delete", rtmDelLink, ifInfo{index: l.Index}, nil)
}

// SetUp takes the link into service.
func (l Link) SetUp() error {
	return l.change("set up", rtmNewLink, ifInfo{index: l.Index, flags: iffUp, change: iffUp}, nil)
}

// SetDown takes the link out of service, whereupon the kernel drops the queued
// packets that came or were to go through it.
func (l Link) SetDown() error {
	return l.change("set down", rtmNewLink, ifInfo{index: l.Index, change: iffUp}, nil)
}

// Rename gives the link, which must be down, another name. The Link returned has
// it.
func (l Link) Rename(name string) (Link, error) {
	err := l.change("rename", rtmNewLink, ifInfo{index: l.Index},
		func(e *netlink.AttributeEncoder) { e.String(iflaIfname, name) })
	if err == nil {
		l.Name = name
	}
	return l, err
}

// SetMTU limits the link's packets to mtu bytes, IP header included.
func (l Link) SetMTU(mtu int) error {
	return l.change("set MTU of", rtmNewLink, ifInfo{index: l.Index},
		func(e *netlink.AttributeEncoder) { e.Uint32(iflaMTU, uint32(mtu)) })
}

// SetBridge makes the link a port of the bridge.
func (l Link) SetBridge(bridge Link) error {
	return l.change("set bridge of", rtmNewLink, ifInfo{index: l.Index},
		func(e *netlink.AttributeEncoder) { e.Uint32(iflaMaster, uint32(bridge.Index)) })
}

// WaitRunning waits until the link is operational (IF_OPER_UP). The kernel
// notices the carrier of a link some time after it came, and until then drops
// what the end of a veth pair that was set up first is to send, and does not
// run IPv6 on either end (net/core/link_watch.c; net/ipv6/addrconf.c,
// addrconf_link_ready).
func (l Link) WaitRunning(ctx context.Context) error {
	err := poll(ctx, func() (bool, error) {
		state, err := l.operState()
		return state == ifOperUp, err
	})
	if err != nil {
		return fmt.Errorf("netns: wait for %s to run: %w", l.Name, err)
	}
	return nil
}

// poll calls done until it is true or fails, or ctx ends.
func poll(ctx context.Context, done func() (bool, error)) error {
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Millisecond):
		}
	}
}

// operState returns IFLA_OPERSTATE.
func (l Link) operState() (uint8, error) {
	replies, err := l.ns.request(rtmGetLink, 0, ifInfo{index: l.Index}.append(nil))
	if err != nil {
		return 0, err
	}
	return parseOperState(replies)
}

// change sends a link message; verb is for the error.
func (l Link) change(verb string, typ netlink.HeaderType, info ifInfo, attrs func(*netlink.AttributeEncoder)) error {
	body, err := linkMessage(info, attrs)
	if err != nil {
		return err
	}
	if err := l.ns.execute(typ, 0, body); err != nil {
		return fmt.Errorf("netns: %s %s: %w", verb, l.Name, err)
	}
	return nil
}

// create makes what the message describes, which must not exist yet.
func (n *Namespace) create(typ netlink.HeaderType, body []byte) error {
	return n.execute(typ, netlink.Create|netlink.Excl, body)
}

// execute sends a message and waits for its acknowledgement.
func (n *Namespace) execute(typ netlink.HeaderType, flags netlink.HeaderFlags, body []byte) error {
	_, err := n.request(typ, flags|netlink.Acknowledge, body)
	return err
}
