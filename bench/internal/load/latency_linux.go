package load

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// lostAfter is when a datagram sent alone counts as lost.
const lostAfter = 2 * time.Second

// oneByOne sends a datagram when the one before has arrived. Both sockets
// block, for the runtime's poller would add time of its own.
func oneByOne(ctx context.Context, s Spec, m *Meter) error {
	p, err := newPair()
	if err != nil {
		return err
	}
	defer p.close()
	datagram := make([]byte, max(s.Size, sizeNumber))
	for number := uint64(1); ctx.Err() == nil; number++ {
		binary.NativeEndian.PutUint64(datagram, number)
		start := time.Now()
		m.sent.Add(1)
		arrived, err := p.pass(datagram, number)
		if err != nil {
			return err
		}
		if arrived {
			m.observe(time.Since(start))
		} else {
			m.lost.Add(1)
		}
	}
	return nil
}

// sizeNumber is the size of the number at the front of each datagram.
const sizeNumber = 8

// A pair is two sockets, the one sends to the other.
type pair struct{ from, to int }

func newPair() (pair, error) {
	p := pair{-1, -1}
	err := errors.Join(open(&p.to), open(&p.from))
	if err != nil {
		p.close()
		return p, err
	}
	address := &unix.SockaddrInet4{Port: LatencyPort, Addr: [4]byte(net.ParseIP(loopback).To4())}
	timeout := unix.NsecToTimeval(int64(lostAfter))
	err = errors.Join(
		os.NewSyscallError("setsockopt", unix.SetsockoptTimeval(p.to, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout)),
		os.NewSyscallError("bind", unix.Bind(p.to, address)),
		os.NewSyscallError("connect", unix.Connect(p.from, address)))
	if err != nil {
		p.close()
	}
	return p, err
}

func open(fd *int) (err error) {
	*fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	return os.NewSyscallError("socket", err)
}

func (p pair) close() {
	_ = unix.Close(p.from)
	_ = unix.Close(p.to)
}

// pass sends the datagram and reports whether it has arrived. Others, that
// came too late, are passed over.
func (p pair) pass(datagram []byte, number uint64) (bool, error) {
	if _, err := unix.Write(p.from, datagram); err != nil {
		return false, os.NewSyscallError("write", err)
	}
	var b [sizeNumber]byte
	for {
		_, err := unix.Read(p.to, b[:])
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			return false, nil
		case err != nil:
			return false, os.NewSyscallError("read", err)
		case binary.NativeEndian.Uint64(b[:]) == number:
			return true, nil
		}
	}
}
