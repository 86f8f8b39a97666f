package netns

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"time"

	"github.com/jsimonetti/rtnetlink/v2"
	"github.com/jsimonetti/rtnetlink/v2/driver"
)

// A Link is a network device.
type Link struct {
	Name  string
	Index int // as in the NFQUEUE packet's ifindex attributes

	ns *Namespace
}

// Link returns the link with the given name.
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

// AddVeth creates a pair of Ethernet links: a frame sent on one arrives on the
// other. It creates the second in peer, which may be n itself. Both are down.
func (n *Namespace) AddVeth(name string, peer *Namespace, peerName string) (near, far Link, err error) {
	file, err := peer.open()
	if err != nil {
		return near, far, err
	}
	defer file.Close()
	// The peer is described by a link message of its own.
	there := newLink(peerName, nil)
	there.Attributes.NetNS = rtnetlink.NetNSForFD(uint32(file.Fd()))
	here := newLink(name, &driver.Veth{PeerInfo: there})
	if err := n.addLink(here); err != nil {
		return near, far, fmt.Errorf("netns: add veth pair %s, %s: %w", name, peerName, err)
	}
	if near, err = n.Link(name); err != nil {
		return near, far, err
	}
	far, err = peer.Link(peerName)
	return near, far, err
}

// AddBridge creates an Ethernet bridge without ports. It is down.
func (n *Namespace) AddBridge(name string) (Link, error) {
	if err := n.addLink(newLink(name, &driver.Bridge{})); err != nil {
		return Link{}, fmt.Errorf("netns: add bridge %s: %w", name, err)
	}
	return n.Link(name)
}

// newLink returns the message that creates a link, or, with a nil driver, the
// description of its peer.
func newLink(name string, d rtnetlink.LinkDriver) *rtnetlink.LinkMessage {
	m := &rtnetlink.LinkMessage{Index: uint32(newIndex()), Attributes: &rtnetlink.LinkAttributes{Name: name}}
	if d != nil {
		m.Attributes.Info = &rtnetlink.LinkInfo{Kind: d.Kind(), Data: d}
	}
	return m
}

// newIndex chooses an index for a link, outside of the range that the kernel uses.
// The two ends of a veth pair must not have the same index in their namespaces:
// otherwise the kernel takes up to a second to notice the carrier
// (net/core/link_watch.c, linkwatch_urgent_event).
func newIndex() int {
	return 1<<16 + rand.IntN(1<<30)
}

func (n *Namespace) addLink(m *rtnetlink.LinkMessage) error {
	return n.route(func(c *rtnetlink.Conn) error { return c.Link.New(m) })
}

// Delete removes the link, and the other end of a veth pair with it.
func (l Link) Delete() error {
	err := l.ns.route(func(c *rtnetlink.Conn) error { return c.Link.Delete(uint32(l.Index)) })
	return l.failed("delete", err)
}

// iffUp is IFF_UP (include/uapi/linux/if.h).
const iffUp = 1

// SetUp sets the link up.
func (l Link) SetUp() error {
	return l.failed("set up", l.set(rtnetlink.LinkMessage{Flags: iffUp, Change: iffUp}))
}

// SetDown sets the link down. The kernel then drops queued packets that arrived on
// it or were to leave through it.
func (l Link) SetDown() error {
	return l.failed("set down", l.set(rtnetlink.LinkMessage{Change: iffUp}))
}

// Rename renames the link, which must be down. It returns a Link with the new name.
func (l Link) Rename(name string) (Link, error) {
	err := l.set(rtnetlink.LinkMessage{Attributes: &rtnetlink.LinkAttributes{Name: name}})
	if err != nil {
		return l, l.failed("rename", err)
	}
	l.Name = name
	return l, nil
}

// SetMTU limits the link's packets to mtu bytes, IP header included.
func (l Link) SetMTU(mtu int) error {
	return l.failed("set MTU of", l.set(rtnetlink.LinkMessage{Attributes: &rtnetlink.LinkAttributes{MTU: uint32(mtu)}}))
}

// SetBridge makes the link a port of the bridge.
func (l Link) SetBridge(bridge Link) error {
	index := uint32(bridge.Index)
	return l.failed("set bridge of", l.set(rtnetlink.LinkMessage{Attributes: &rtnetlink.LinkAttributes{Master: &index}}))
}

// set changes the attributes of the link that the message contains.
func (l Link) set(m rtnetlink.LinkMessage) error {
	m.Index = uint32(l.Index)
	return l.ns.route(func(c *rtnetlink.Conn) error { return c.Link.Set(&m) })
}

// failed adds the operation and the link to an error, if there is one.
func (l Link) failed(verb string, err error) error {
	if err != nil {
		return fmt.Errorf("netns: %s %s: %w", verb, l.Name, err)
	}
	return nil
}

// WaitRunning waits until the link is operational (IF_OPER_UP). The kernel notices
// the carrier of a link with a delay. Until then it drops packets sent on the end of
// a veth pair that was set up first, and does not run IPv6 on either end
// (net/core/link_watch.c; net/ipv6/addrconf.c, addrconf_link_ready).
func (l Link) WaitRunning(ctx context.Context) error {
	err := poll(ctx, func() (bool, error) {
		state, err := l.operState()
		return state == rtnetlink.OperStateUp, err
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
func (l Link) operState() (state rtnetlink.OperationalState, err error) {
	err = l.ns.route(func(c *rtnetlink.Conn) error {
		m, err := c.Link.Get(uint32(l.Index))
		if err == nil && m.Attributes != nil {
			state = m.Attributes.OperationalState
		}
		return err
	})
	return state, err
}
