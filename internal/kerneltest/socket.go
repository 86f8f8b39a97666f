package kerneltest

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/ipqueue/ipqueue/internal/sock"
)

// A Socket is a netlink socket of a Kernel. It satisfies sock.Socket.
type Socket struct {
	k         *Kernel
	config    sock.Config
	port      uint32
	writeMax  int   // the longest datagram to send
	statusErr error // why the status file may not be opened

	// Guarded by the kernel's lock.
	buffer    buffer
	readable  sync.Cond
	receiving bool
	sending   bool
	closed    bool
	expired   bool // the read deadline has passed
	timer     *time.Timer
	awoken    bool // Wake was called
	dead      error
	refuse    sendFault
}

var _ sock.Socket = (*Socket)(nil)

func newSocket(k *Kernel, c sock.Config, port uint32) *Socket {
	s := &Socket{k: k, config: c, port: port}
	s.readable.L = &k.mu
	s.buffer = buffer{
		limit:      k.readBuffer(c.ReadBuffer),
		overshoots: k.opts.Linux.overshoots(),
		quiet:      c.NoENOBUFS,
	}
	s.writeMax = k.writeBuffer(c.WriteBuffer) - 32
	if _, err := s.status(); errors.Is(err, fs.ErrPermission) {
		s.statusErr = err
	}
	return s
}

// SOCK_MIN_RCVBUF and SOCK_MIN_SNDBUF (include/net/sock.h).
const (
	minReadBuffer  = 2304
	minWriteBuffer = 4608
)

// readBuffer returns the receive buffer that a socket gets if it requests n bytes
// (sock_setsockopt).
func (k *Kernel) readBuffer(n int) int {
	if n == 0 {
		return k.opts.ReadBuffer
	}
	if limit := k.opts.ReadBufferMax; limit > 0 {
		n = min(n, limit)
	}
	n = min(n, math.MaxInt32/2) // net/core/sock.c, __sock_set_rcvbuf
	return max(2*n, minReadBuffer)
}

func (k *Kernel) writeBuffer(n int) int {
	if n == 0 {
		return k.opts.WriteBuffer
	}
	return max(2*n, minWriteBuffer)
}

// Port implements sock.Socket.
func (s *Socket) Port() uint32 { return s.port }

// ReadBuffer implements sock.Socket.
func (s *Socket) ReadBuffer() int { return s.buffer.limit }

// Drops implements sock.Socket.
func (s *Socket) Drops() (uint32, error) {
	s.k.mu.Lock()
	defer s.k.mu.Unlock()
	if s.closed {
		return 0, os.ErrClosed
	}
	return uint32(s.buffer.drops), nil
}

// Status implements sock.Socket. It reads the current text at the given offset.
// Rows that appear or disappear between two calls shift the rest, as in the kernel.
func (s *Socket) Status(b []byte, offset int64) (int, error) {
	s.k.mu.Lock()
	defer s.k.mu.Unlock()
	if s.closed {
		return 0, os.ErrClosed
	}
	text, err := s.status()
	if err != nil {
		return 0, err
	}
	return copy(b, text[min(offset, int64(len(text))):]), nil
}

// status returns the text of the status file. The file is opened with the socket
// or, if it does not exist yet, once it does. Privilege is checked at that time.
func (s *Socket) status() (string, error) {
	if s.statusErr != nil {
		return "", s.statusErr
	}
	if s.config.StatusFile == "" {
		return "", fs.ErrNotExist
	}
	return s.k.text("/proc/net/" + s.config.StatusFile)
}

// Close implements sock.Socket. As in the kernel, it drops the undecided packets
// of the socket.
func (s *Socket) Close() error {
	s.k.mu.Lock()
	defer s.k.mu.Unlock()
	if s.closed {
		return os.ErrClosed
	}
	s.closed = true
	s.setTimer(time.Time{})
	s.k.sockets = slices.DeleteFunc(s.k.sockets, func(o *Socket) bool { return o == s })
	if m := s.k.modules[s.config.Protocol]; m != nil {
		m.released(s.port)
	}
	s.readable.Broadcast()
	return nil
}

// SetReadDeadline implements sock.Socket.
func (s *Socket) SetReadDeadline(t time.Time) error {
	s.k.mu.Lock()
	defer s.k.mu.Unlock()
	if s.closed {
		return os.ErrClosed
	}
	s.setTimer(t)
	return nil
}

func (s *Socket) setTimer(t time.Time) {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	s.expired = false
	if t.IsZero() {
		return
	}
	left := time.Until(t)
	if left <= 0 {
		s.expire()
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(left, func() {
		s.k.mu.Lock()
		defer s.k.mu.Unlock()
		if s.timer == timer {
			s.expire()
		}
	})
	s.timer = timer
}

func (s *Socket) expire() {
	s.expired = true
	s.readable.Broadcast()
}

// Receive implements sock.Socket. It panics if another Receive is in progress. It
// calls idle without holding a lock.
func (s *Socket) Receive(batch []sock.Datagram, idle func() bool) (int, error) {
	s.k.mu.Lock()
	defer s.k.mu.Unlock()
	if len(batch) == 0 {
		return 0, errInval
	}
	claim(&s.receiving, "Receive")
	defer func() { s.receiving = false }()
	for {
		if err := s.readError(); err != nil {
			return 0, err
		}
		if len(s.buffer.queue) > 0 {
			return s.fill(batch[:min(len(batch), sock.MaxBatch)]), nil
		}
		if !s.ask(idle) {
			return 0, nil
		}
		s.wait()
	}
}

func claim(busy *bool, method string) {
	if *busy {
		panic("kerneltest: concurrent calls of Socket." + method)
	}
	*busy = true
}

// readError returns the error of the next read, in the order of the real socket:
// closed, deadline, then the error that the kernel reports.
func (s *Socket) readError() error {
	switch {
	case s.closed:
		return os.ErrClosed
	case s.expired:
		return os.ErrDeadlineExceeded
	case s.dead != nil:
		return s.dead
	default:
		return s.buffer.takeError()
	}
}

// ask calls idle without holding the lock.
func (s *Socket) ask(idle func() bool) bool {
	if idle == nil {
		return true
	}
	s.k.mu.Unlock()
	defer s.k.mu.Lock()
	return idle()
}

// wait waits until the state of the socket may have changed.
func (s *Socket) wait() {
	for !s.ready() {
		s.readable.Wait()
	}
	s.awoken = false
}

func (s *Socket) ready() bool {
	return s.closed || s.expired || s.awoken || s.dead != nil || s.buffer.err != nil || len(s.buffer.queue) > 0
}

func (s *Socket) fill(batch []sock.Datagram) int {
	n := 0
	for n < len(batch) && len(s.buffer.queue) > 0 {
		d := s.buffer.take()
		slot := &batch[n]
		slot.N = copy(slot.Buf, d.bytes)
		slot.From = d.from
		slot.Truncated = slot.N < len(d.bytes)
		n++
	}
	return n
}

// deliver puts a datagram into the receive buffer, and reports whether it fitted.
// An overrun also wakes the reader.
func (s *Socket) deliver(d datagram) bool {
	ok := s.buffer.put(d)
	s.readable.Broadcast()
	return ok
}

// Send implements sock.Socket. As in the kernel, each datagram is processed before
// the next one is read. Send panics if another Send is in progress.
func (s *Socket) Send(datagrams [][]byte) (int, error) {
	s.k.mu.Lock()
	defer s.k.mu.Unlock()
	claim(&s.sending, "Send")
	defer func() { s.sending = false }()
	datagrams = datagrams[:min(len(datagrams), sock.MaxBatch)]
	for i, b := range datagrams {
		if err := s.send(b); err != nil {
			return i, err
		}
	}
	return len(datagrams), nil
}

// Request implements sock.Socket.
func (s *Socket) Request(datagrams [][]byte) (int, error) { return s.Send(datagrams) }

func (s *Socket) send(b []byte) error {
	if err := s.sendError(b); err != nil {
		return err
	}
	s.tell(b)
	if s.closed {
		return os.ErrClosed
	}
	if len(b) == 0 && !s.k.opts.Linux.refusesEmpty() {
		return nil
	}
	from := sender{port: s.port, privileged: s.k.privileged, capAck: s.capAck()}
	return s.k.receive(s.config.Protocol, from, b)
}

// sendError returns the error of sendmsg itself (netlink_sendmsg).
func (s *Socket) sendError(b []byte) error {
	switch {
	case s.closed:
		return os.ErrClosed
	case len(b) == 0 && s.k.opts.Linux.refusesEmpty():
		return errNoData
	case s.config.Port != 0:
		return errConnRefused
	case len(b) > s.writeMax:
		return errMsgSize
	default:
		return s.refuse.next()
	}
}

// tell calls OnSend without holding the lock.
func (s *Socket) tell(b []byte) {
	if s.k.opts.OnSend == nil {
		return
	}
	s.k.mu.Unlock()
	defer s.k.mu.Lock()
	s.k.opts.OnSend(s.port, b)
}

func (s *Socket) capAck() bool {
	return s.config.CapAck && s.k.opts.Linux.capsAcks()
}
