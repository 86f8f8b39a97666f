package sock

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A mmsghdr is the kernel's struct mmsghdr: a message header and the bytes
// that went through it. Go's padding after n equals C's.
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
}

const sizeofSockaddrNetlink = uint32(unix.SizeofSockaddrNetlink)

// A connected socket takes datagrams of its peer alone, so that to ask for the
// sender of each (which costs 3 % of a packet's way) is needed only for what
// another process sent before, or was about to queue just then. So many calls
// of recvmmsg are more than that can take.
const namedCalls = 1024

// A receiver runs recvmmsg (Linux 2.6.33). Its arrays live as long as the
// socket, so that a call allocates nothing.
type receiver struct {
	hdrs  [MaxBatch]mmsghdr
	iovs  [MaxBatch]unix.Iovec
	addrs [MaxBatch]unix.RawSockaddrNetlink

	gate  *gate
	pulse pulse
	peer  uint32
	named bool // senders are asked for
	batch []Datagram
	idle  func() bool
	used  int // iovs that are set
	n     int
	err   error
	calls uint
	try   func(gate uintptr) bool // r.tryOnce, bound once
	call  func(fd uintptr, n int) (int, unix.Errno)
}

func (r *receiver) init(g *gate, peer uint32) {
	r.gate, r.peer, r.named = g, peer, true
	for i := range r.hdrs {
		h := &r.hdrs[i].hdr
		h.Name = (*byte)(unsafe.Pointer(&r.addrs[i]))
		h.Iov = &r.iovs[i]
		h.SetIovlen(1)
	}
	r.pulse.init()
	r.try = r.tryOnce
	r.call = r.recvmmsg
}

// unname has recvmmsg tell no senders any more.
func (r *receiver) unname() {
	r.named = false
	for i := range r.hdrs {
		r.hdrs[i].hdr.Name, r.hdrs[i].hdr.Namelen = nil, 0
	}
}

func (r *receiver) receive(batch []Datagram, idle func() bool) (int, error) {
	r.batch, r.idle, r.n, r.err = batch, idle, 0, nil
	for i := range batch {
		r.iovs[i].Base = unsafe.SliceData(batch[i].Buf)
		r.iovs[i].SetLen(len(batch[i].Buf))
		if r.named {
			r.hdrs[i].hdr.Namelen = sizeofSockaddrNetlink
		}
	}
	for i := len(batch); i < r.used; i++ { // buffers that the caller may no longer have
		r.iovs[i] = unix.Iovec{}
	}
	r.used = len(batch)
	err := r.gate.rc.Read(r.try)
	r.batch, r.idle = nil, nil
	if err == nil {
		err = r.err
	}
	if err != nil {
		return 0, err
	}
	r.fill(batch[:r.n])
	return r.n, nil
}

// tryOnce reads what is there. It returns false to be called again when the
// poller reports the gate, and so the socket, readable.
func (r *receiver) tryOnce(gate uintptr) bool {
	for asked := false; ; {
		n, errno := r.call(uintptr(r.gate.socket), len(r.batch))
		switch errno {
		case 0:
			r.n = n
			r.pulse.beat()
			r.gate.passed(gate)
			return true
		case unix.EINTR: // the runtime preempts goroutines with a signal
		case unix.ENOSYS:
			r.call = r.recvmsg
		case unix.EAGAIN:
			if !asked && r.idle != nil && !r.idle() {
				return true
			}
			asked = true
			r.gate.reads = 0
			if r.gate.isOpen {
				return false
			}
			if r.err = r.gate.open(gate); r.err != nil {
				return true
			}
		default:
			r.err = os.NewSyscallError("recvmmsg", errno)
			return true
		}
	}
}

// recvmmsg is a raw call, as sendmmsg is: they never sleep for long, and the
// runtime would take the processor from a goroutine after 20 µs in the kernel,
// which a batch takes under load, only to have to give it back. But the first of
// each beat of the pulse is an ordinary one.
func (r *receiver) recvmmsg(fd uintptr, n int) (int, unix.Errno) {
	var got uintptr
	var errno unix.Errno
	if r.calls++; r.calls == namedCalls {
		r.unname()
	}
	if !r.pulse.beating.Load() {
		got, _, errno = unix.Syscall6(unix.SYS_RECVMMSG, fd,
			uintptr(unsafe.Pointer(&r.hdrs[0])), uintptr(n), unix.MSG_DONTWAIT, 0, 0)
	} else {
		got, _, errno = unix.RawSyscall6(unix.SYS_RECVMMSG, fd,
			uintptr(unsafe.Pointer(&r.hdrs[0])), uintptr(n), unix.MSG_DONTWAIT, 0, 0)
	}
	if errno != 0 {
		return 0, errno
	}
	return int(got), 0
}

// recvmsg receives one datagram where recvmmsg is missing or forbidden
// (s390x before Linux 4.3 has it only inside socketcall).
func (r *receiver) recvmsg(fd uintptr, _ int) (int, unix.Errno) {
	n, _, flags, from, err := unix.Recvmsg(int(fd), r.batch[0].Buf, nil, unix.MSG_DONTWAIT)
	if err != nil {
		return 0, err.(unix.Errno)
	}
	h := &r.hdrs[0]
	h.n, h.hdr.Flags, h.hdr.Namelen = uint32(n), int32(flags), 0
	if sa, ok := from.(*unix.SockaddrNetlink); ok {
		r.addrs[0].Pid, h.hdr.Namelen = sa.Pid, sizeofSockaddrNetlink
	}
	return 1, 0
}

func (r *receiver) fill(batch []Datagram) {
	for i := range batch {
		h := &r.hdrs[i]
		d := &batch[i]
		d.N = int(h.n)
		d.From = r.from(i)
		d.Truncated = h.hdr.Flags&unix.MSG_TRUNC != 0
	}
}

// from is the sender of datagram i: 0 for the peer, and never 0 for a sender
// without a netlink address.
func (r *receiver) from(i int) uint32 {
	switch {
	case !r.named:
		return 0
	case r.hdrs[i].hdr.Namelen != sizeofSockaddrNetlink:
		return ^uint32(0)
	case r.addrs[i].Pid == r.peer:
		return 0
	case r.addrs[i].Pid == 0:
		return ^uint32(0)
	}
	return r.addrs[i].Pid
}

// A sender runs sendmmsg (Linux 3.0). Netlink messages to the kernel are
// processed inside the call, so it does not block; it takes as long as the
// kernel needs to act on them. The socket is connected, and names no peer.
type sender struct {
	hdrs [MaxBatch]mmsghdr
	iovs [MaxBatch]unix.Iovec

	gate  *gate
	n     int
	sent  int
	errno unix.Errno
	slow  bool               // the kernel may take long
	try   func(gate uintptr) // s.trySend, bound once
	call  func(fd uintptr, n int) (int, unix.Errno)
}

func (s *sender) init(g *gate) {
	s.gate = g
	for i := range s.hdrs {
		h := &s.hdrs[i].hdr
		h.Iov = &s.iovs[i]
		h.SetIovlen(1)
	}
	s.try = s.trySend
	s.call = s.sendmmsg
}

// request is send with an ordinary system call.
func (s *sender) request(datagrams [][]byte) (int, error) {
	s.slow = true
	defer func() { s.slow = false }()
	return s.send(datagrams)
}

// send holds the gate as gate.hold does, without a closure for each call.
func (s *sender) send(datagrams [][]byte) (int, error) {
	for i, d := range datagrams {
		s.iovs[i].Base = unsafe.SliceData(d)
		s.iovs[i].SetLen(len(d))
	}
	s.n, s.sent, s.errno = len(datagrams), 0, 0
	err := s.gate.rc.Control(s.try)
	clear(s.iovs[:len(datagrams)]) // memory that the caller may drop
	if err != nil {
		return 0, err
	}
	if s.errno != 0 {
		return s.sent, os.NewSyscallError("sendmmsg", s.errno)
	}
	return s.sent, nil
}

// trySend sends until all is taken or a datagram is refused. The kernel
// reports the refusal of the first datagram only, so a short count is
// followed by a call that begins with the refused one.
func (s *sender) trySend(uintptr) {
	for s.sent < s.n {
		n, errno := s.call(uintptr(s.gate.socket), s.n-s.sent)
		switch errno {
		case 0:
			s.sent += n
		case unix.EINTR:
		case unix.ENOSYS:
			s.call = s.sendto
		default:
			s.errno = errno
			return
		}
	}
}

// sendmmsg is a raw call for the reasons that receiver.recvmmsg gives, unless
// the kernel may take long. It may then also wait for room in the receive buffer
// of its peer, which only a process has that stands for the kernel in a test.
func (s *sender) sendmmsg(fd uintptr, n int) (int, unix.Errno) {
	var sent uintptr
	var errno unix.Errno
	if s.slow {
		sent, _, errno = unix.Syscall6(unix.SYS_SENDMMSG, fd,
			uintptr(unsafe.Pointer(&s.hdrs[s.sent])), uintptr(n), 0, 0, 0)
	} else {
		sent, _, errno = unix.RawSyscall6(unix.SYS_SENDMMSG, fd,
			uintptr(unsafe.Pointer(&s.hdrs[s.sent])), uintptr(n), unix.MSG_DONTWAIT, 0, 0)
	}
	if errno != 0 {
		return 0, errno
	}
	return int(sent), 0
}

// sendto is sendmmsg's stand-in, as recvmsg is recvmmsg's.
func (s *sender) sendto(fd uintptr, _ int) (int, unix.Errno) {
	v := &s.iovs[s.sent]
	if err := unix.Send(int(fd), unsafe.Slice(v.Base, v.Len), unix.MSG_DONTWAIT); err != nil {
		return 0, err.(unix.Errno)
	}
	return 1, 0
}
