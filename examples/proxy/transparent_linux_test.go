package main

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"testing"
)

// A transparentProxy accepts redirected connections and forwards their bytes to
// the original destinations.
type transparentProxy struct {
	listener *net.TCPListener
	asked    chan string // original destinations of the connections
	serving  sync.WaitGroup
}

// startProxy starts a proxy, which ends with the test.
func startProxy(t *testing.T) *transparentProxy {
	t.Helper()
	listener, err := net.ListenTCP("tcp", nil)
	if err != nil {
		t.Fatal(err)
	}
	p := &transparentProxy{listener: listener, asked: make(chan string, 16)}
	p.serving.Go(p.serve)
	t.Cleanup(func() {
		listener.Close()
		p.serving.Wait()
	})
	return p
}

func (p *transparentProxy) port() uint16 { return p.listener.Addr().(*net.TCPAddr).AddrPort().Port() }

// next returns the original destination of the next connection.
func (p *transparentProxy) next(t *testing.T) string {
	t.Helper()
	select {
	case destination := <-p.asked:
		return destination
	default:
		t.Fatal("the proxy was not asked")
		return ""
	}
}

// wantIdle checks that there were no connections except those that next has
// returned.
func (p *transparentProxy) wantIdle(t *testing.T) {
	t.Helper()
	if len(p.asked) > 0 {
		t.Errorf("the proxy was asked for %s too", <-p.asked)
	}
}

func (p *transparentProxy) serve() {
	for {
		from, err := p.listener.AcceptTCP()
		if err != nil {
			return
		}
		p.serving.Go(func() {
			defer from.Close()
			p.carry(from)
		})
	}
}

// carry connects to the original destination, and copies in both directions
// until both have ended.
func (p *transparentProxy) carry(from *net.TCPConn) {
	destination, err := originalDestination(from)
	if err != nil {
		p.asked <- err.Error()
		return
	}
	p.asked <- destination.String()
	dialer := net.Dialer{Control: mark}
	to, err := dialer.Dial("tcp", destination.String())
	if err != nil {
		return
	}
	defer to.Close()
	var back sync.WaitGroup
	back.Go(func() { pass(from, to.(*net.TCPConn)) })
	pass(to.(*net.TCPConn), from)
	back.Wait()
}

// pass copies without splice(2), whose pipes stay open for a while and would be
// reported as a leak.
func pass(to, from *net.TCPConn) {
	_, _ = io.Copy(struct{ io.Writer }{to}, struct{ io.Reader }{from})
	_ = to.CloseWrite()
}

// mark sets a mark on the connections of the proxy itself, so that they are not
// queued.
func mark(_, _ string, conn syscall.RawConn) (err error) {
	const own = 3
	if controlled := conn.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_MARK, own)
	}); controlled != nil {
		return controlled
	}
	return os.NewSyscallError("setsockopt", err)
}

// originalDestination returns the original destination of a redirected
// connection, which conntrack knows (SO_ORIGINAL_DST and IP6T_SO_ORIGINAL_DST).
func originalDestination(conn *net.TCPConn) (destination netip.AddrPort, err error) {
	const original = 80
	raw, err := conn.SyscallConn()
	if err != nil {
		return destination, err
	}
	v4 := conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap().Is4()
	controlled := raw.Control(func(fd uintptr) {
		if v4 { // struct sockaddr_in has 16 bytes, like the address in this struct
			var b *syscall.IPv6Mreq
			if b, err = syscall.GetsockoptIPv6Mreq(int(fd), syscall.IPPROTO_IP, original); err == nil {
				a := b.Multiaddr
				destination = netip.AddrPortFrom(netip.AddrFrom4([4]byte(a[4:8])), binary.BigEndian.Uint16(a[2:]))
			}
			return
		}
		// This struct begins with a struct sockaddr_in6.
		var b *syscall.IPv6MTUInfo
		if b, err = syscall.GetsockoptIPv6MTUInfo(int(fd), syscall.IPPROTO_IPV6, original); err == nil {
			port := binary.NativeEndian.AppendUint16(nil, b.Addr.Port)
			destination = netip.AddrPortFrom(netip.AddrFrom16(b.Addr.Addr), binary.BigEndian.Uint16(port))
		}
	})
	if controlled != nil {
		return destination, controlled
	}
	return destination, os.NewSyscallError("getsockopt", err)
}
