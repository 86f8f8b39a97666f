package sock

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// An mmsghdr is the kernel's struct mmsghdr: a message header and the number of
// bytes transferred. Go adds the same padding after n as C.
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
}

const sizeofSockaddrNetlink = uint32(unix.SizeofSockaddrNetlink)

// namedCalls is the number of calls of recvmmsg that ask for the senders of
// datagrams. A connected socket accepts datagrams only from its peer, so the
// sender is needed only for datagrams that another process sent before, or was
// sending, when the socket was connected. After this many calls, all of those
// have been read. Asking costs 3 % of the time for a packet.
const namedCalls = 1024

// A receiver calls recvmmsg (Linux 2.6.33). Its arrays live as long as the
// socket, so that a call allocates nothing.
type receiver struct {
	hdrs  [MaxBatch]mmsghdr
	iovs  [MaxBatch]unix.Iovec
	addrs [MaxBatch]unix.RawSockaddrNetlink

	gate  *gate
	pulse pulse
	peer  uint32
	named bool // recvmmsg asks for senders
	batch []Datagram
	idle  func() bool
	used  int // number of iovs that are set
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

// unname makes recvmmsg no longer ask for senders.
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
	for i := len(batch); i < r.used; i++ { // buffers that the caller may have dropped
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

// tryOnce reads the datagrams in the socket. If it returns false, the poller
// calls it again when the gate, and so the socket, is readable.
func (r *receiver) tryOnce(gate uintptr) bool {
	for asked := false; ; {
		n, errno := r.call(uintptr(r.gate.socket), len(r.batch))
		switch errno {
		case 0:
			r.n = n
			r.pulse.beat()
			r.gate.passed(gate)
			return true
		case unix.EINTR: // the runtime preempts goroutines with signals
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

// recvmmsg makes a raw system call, as sendmmsg does: neither blocks, but under
// load a batch takes longer than 20 µs. After that time in an ordinary call,
// the runtime takes the processor from the goroutine, only to give it back
// soon. The first call of each beat of the pulse is an ordinary one.
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

// recvmsg receives one datagram. It is used if recvmmsg is missing or forbidden
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

// from returns the sender of datagram i: 0 for the peer, and never 0 for a
// sender without a netlink address.
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

// A sender calls sendmmsg (Linux 3.0). The kernel processes netlink messages
// inside the call, so the call does not block, but takes as long as the kernel
// needs for them. The socket is connected, so the messages contain no address.
type sender struct {
	hdrs [MaxBatch]mmsghdr
	iovs [MaxBatch]unix.Iovec

	gate  *gate
	n     int
	sent  int
	errno unix.Errno
	slow  bool               // the kernel may take long for the message
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

// request is like send, but makes an ordinary system call.
func (s *sender) request(datagrams [][]byte) (int, error) {
	s.slow = true
	defer func() { s.slow = false }()
	return s.send(datagrams)
}

// send sends datagrams. It holds the gate as gate.hold does, but without
// allocating a closure.
func (s *sender) send(datagrams [][]byte) (int, error) {
	for i, d := range datagrams {
		s.iovs[i].Base = unsafe.SliceData(d)
		s.iovs[i].SetLen(len(d))
	}
	s.n, s.sent, s.errno = len(datagrams), 0, 0
	err := s.gate.rc.Control(s.try)
	clear(s.iovs[:len(datagrams)]) // the caller may drop the memory
	if err != nil {
		return 0, err
	}
	if s.errno != 0 {
		return s.sent, os.NewSyscallError("sendmmsg", s.errno)
	}
	return s.sent, nil
}

// trySend sends until everything is sent or a datagram is refused. The kernel
// reports a refusal only for the first datagram of a call. So if it sends fewer
// than all, trySend calls it again, starting with the refused one.
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

// sendmmsg makes a raw system call, for the reasons given at receiver.recvmmsg,
// unless the kernel may take long. An ordinary call may also wait for space in
// the receive buffer of the peer: in tests the peer is a process that simulates
// the kernel.
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

// sendto sends one datagram. It is used if sendmmsg is missing or forbidden.
func (s *sender) sendto(fd uintptr, _ int) (int, unix.Errno) {
	v := &s.iovs[s.sent]
	if err := unix.Send(int(fd), unsafe.Slice(v.Base, v.Len), unix.MSG_DONTWAIT); err != nil {
		return 0, err.(unix.Errno)
	}
	return 1, 0
}
