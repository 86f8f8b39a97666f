package kerneltest

import (
	"os"

	"github.com/ipqueue/ipqueue/internal/sock"
)

// protoRoute is NETLINK_ROUTE. This kernel simulates only its notifications about
// changed interfaces.
const protoRoute = 0

// SetLink adds or renames the network interface with the given index; an empty name
// removes it. Sockets that watch the interfaces are notified. Inject does the same
// for the names in its packet.
func (k *Kernel) SetLink(index uint32, name string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.setLink(index, name)
}

func (k *Kernel) setLink(index uint32, name string) {
	k.links[index] = name
	notice := appendHeader(native, nil, header{length: headerLen, kind: 16}) // RTM_NEWLINK
	for _, s := range k.sockets {
		if s.config.Protocol == protoRoute {
			s.deliver(datagram{bytes: notice})
		}
	}
}

// addLinks makes the interfaces of a packet known.
func (k *Kernel) addLinks(devices ...Device) {
	for _, d := range devices {
		if d.Name != "" && k.links[d.Index] != d.Name {
			k.setLink(d.Index, d.Name)
		}
	}
}

// LinkName implements sock.Socket.
func (s *Socket) LinkName(index uint32) (string, error) {
	s.k.mu.Lock()
	defer s.k.mu.Unlock()
	s.k.lookups++
	name := s.k.links[index]
	switch {
	case s.closed:
		return "", os.ErrClosed
	case name == "":
		return "", errNoDev
	}
	return name, nil
}

// Lookups returns the number of calls of LinkName so far.
func (k *Kernel) Lookups() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.lookups
}

// Links implements sock.Socket.
func (s *Socket) Links() (sock.Socket, error) {
	s.k.mu.Lock()
	defer s.k.mu.Unlock()
	switch {
	case s.closed:
		return nil, os.ErrClosed
	case s.k.opts.NoLinks:
		return nil, errPerm
	}
	c := sock.Config{Protocol: protoRoute}
	return s.k.add(c, s.k.freePort(c)), nil
}
