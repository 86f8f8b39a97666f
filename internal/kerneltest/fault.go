package kerneltest

import "github.com/ipqueue/ipqueue/internal/sock"

// faults are what has been set up to go wrong in the whole kernel.
type faults struct {
	refuseLeft  int
	refuseErrno Errno
	lose        int // packets that find no room in the receive buffer
	loseReplies int // and replies
	holding     bool
	exiting     bool // the process
	held        []func()
}

// refuseVerdict is the errno for the verdict at hand; 0 lets it through.
func (f *faults) refuseVerdict() Errno {
	if f.refuseLeft == 0 {
		return 0
	}
	f.refuseLeft--
	return f.refuseErrno
}

// RefuseVerdicts refuses the next n verdict messages with errno. The packets
// they are about go on waiting.
func (k *Kernel) RefuseVerdicts(n int, errno Errno) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.faults.refuseLeft, k.faults.refuseErrno = n, errno
}

// LosePackets makes the next n packets for a socket find no room in its receive
// buffer.
func (k *Kernel) LosePackets(n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.faults.lose = n
}

// LoseReplies makes the next n error replies and acknowledgements find no room in
// the receive buffer of their socket.
func (k *Kernel) LoseReplies(n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.faults.loseReplies = n
}

// HoldReplies keeps back error replies and acknowledgements from now on;
// packets pass. ReleaseReplies sends them and ends it.
func (k *Kernel) HoldReplies() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.faults.holding = true
}

// ReleaseReplies sends the replies that HoldReplies kept back, in order.
func (k *Kernel) ReleaseReplies() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.faults.holding = false
	for _, send := range k.faults.held {
		send()
	}
	k.faults.held = nil
}

// Exit makes the process begin to exit: its sockets stay until they are closed.
func (k *Kernel) Exit() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.faults.exiting = true
}

// LinkDown takes an interface down: packets that came by it or are to leave by
// it are dropped, in every queue, and nobody is told. d must equal the Device
// of the packets.
func (k *Kernel) LinkDown(d Device) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, m := range k.modules {
		m.flush(func(j *Journey) bool { return j.packet().uses(d) })
	}
}

// RemoveHook unregisters some netfilter hook: nfnetlink_queue then drops all
// that it holds (nfqnl_nf_hook_drop). ip_queue does not care.
func (k *Kernel) RemoveHook() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if q := k.nfq(); q != nil {
		q.flush(everything)
	}
}

// Unbind destroys a queue of nfnetlink_queue behind its owner's back, as
// another process that shares the socket could.
func (k *Kernel) Unbind(number uint16) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if queue := k.queueOf(number); queue != nil {
		k.nfq().destroy(queue)
	}
}

// Unload removes modules. What they hold is dropped; requests to ip_queue then
// fail with ECONNREFUSED, and those to nfnetlink_queue get EINVAL, because
// nfnetlink stays. New sockets of ip_queue fail with EPROTONOSUPPORT.
func (k *Kernel) Unload(m Modules) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if q := k.nfq(); q != nil && m&NFQueue != 0 {
		q.gone = true
		for _, queue := range q.queues {
			q.destroy(queue)
		}
	}
	if m&IPQueue != 0 {
		k.unloadIPQ(sock.ProtoFirewall)
	}
	if m&IP6Queue != 0 {
		k.unloadIPQ(sock.ProtoIP6FW)
	}
}

func (k *Kernel) unloadIPQ(protocol int) {
	if q := k.ipq(protocol); q != nil {
		q.flush(everything)
		delete(k.modules, protocol)
	}
}

// SetLastID makes the next packet of a queue of nfnetlink_queue have the id
// after last: to see ids wrap, leave gaps or come twice.
func (k *Kernel) SetLastID(number uint16, last uint32) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if queue := k.queueOf(number); queue != nil {
		queue.lastID = last
	}
}

// ForceID makes ip_queue (IPv4) or ip6_queue (IPv6) give the next packet that
// id, even if another one has it.
func (k *Kernel) ForceID(f Family, id uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if q, ok := k.handler(f).(*ipq); ok {
		q.slab.forced = append(q.slab.forced, id)
	}
}

func (k *Kernel) nfq() *nfq {
	q, _ := k.modules[sock.ProtoNetfilter].(*nfq)
	return q
}

func (k *Kernel) queueOf(number uint16) *nfqQueue {
	if q := k.nfq(); q != nil {
		return q.queues[number]
	}
	return nil
}

// A sendFault makes sends fail.
type sendFault struct {
	after, times int
	err          error
}

func (f *sendFault) next() error {
	switch {
	case f.times == 0:
		return nil
	case f.after > 0:
		f.after--
		return nil
	default:
		f.times--
		return f.err
	}
}

// FailSend lets the next after datagrams through and refuses the times that
// follow with err. A Send of several ends at the first that is refused.
func (s *Socket) FailSend(after, times int, err error) {
	s.k.mu.Lock()
	defer s.k.mu.Unlock()
	s.refuse = sendFault{after, times, err}
}

// FailReceive makes every Receive fail with err, from now on and for ever.
func (s *Socket) FailReceive(err error) {
	s.k.mu.Lock()
	defer s.k.mu.Unlock()
	s.dead = err
	s.readable.Broadcast()
}

// Overrun acts as if a message had not fit into the receive buffer.
func (s *Socket) Overrun() {
	s.k.mu.Lock()
	defer s.k.mu.Unlock()
	s.overrun()
}

func (s *Socket) overrun() {
	s.buffer.overrun()
	s.readable.Broadcast()
}

// Wake ends the wait of a Receive although there is nothing to read. Without
// one, the next wait ends at once.
func (s *Socket) Wake() {
	s.k.mu.Lock()
	defer s.k.mu.Unlock()
	s.awoken = true
	s.readable.Broadcast()
}

// Deliver puts a datagram of any content into the receive buffer, sent from the
// port from: 0 is the kernel, any other a local process. It reports false if
// there was no room.
func (s *Socket) Deliver(from uint32, b []byte) bool {
	s.k.mu.Lock()
	defer s.k.mu.Unlock()
	return s.deliver(datagram{from, append([]byte(nil), b...)})
}

// Unread is the number of datagrams in the receive buffer.
func (s *Socket) Unread() int {
	s.k.mu.Lock()
	defer s.k.mu.Unlock()
	return len(s.buffer.queue)
}
