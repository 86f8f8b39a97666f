package kerneltest

import "github.com/ipqueue/ipqueue/internal/sock"

// faults contains the failures that tests have set up for the whole kernel.
type faults struct {
	refuseLeft  int
	refuseErrno Errno
	lose        int // number of packets to lose, as if the receive buffer were full
	loseReplies int // number of replies to lose
	holding     bool
	exiting     bool // the process is exiting
	held        []func()
}

// refuseVerdict returns the errno with which to refuse the current verdict, or 0.
func (f *faults) refuseVerdict() Errno {
	if f.refuseLeft == 0 {
		return 0
	}
	f.refuseLeft--
	return f.refuseErrno
}

// RefuseVerdicts refuses the next n verdict messages with errno. Their packets
// continue to wait.
func (k *Kernel) RefuseVerdicts(n int, errno Errno) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.faults.refuseLeft, k.faults.refuseErrno = n, errno
}

// LosePackets loses the next n packets for a socket, as if its receive buffer were
// full.
func (k *Kernel) LosePackets(n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.faults.lose = n
}

// LoseReplies loses the next n error replies and acknowledgements, as if the
// receive buffer of their socket were full.
func (k *Kernel) LoseReplies(n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.faults.loseReplies = n
}

// HoldReplies holds back error replies and acknowledgements, but not packets, until
// ReleaseReplies sends them.
func (k *Kernel) HoldReplies() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.faults.holding = true
}

// ReleaseReplies sends the replies that HoldReplies held back, in order.
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

// LinkDown sets an interface down. The kernel drops packets that arrived on it or
// are to leave through it, in every queue, without notifying any socket. d must
// equal the Device of the packets.
func (k *Kernel) LinkDown(d Device) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, m := range k.modules {
		m.flush(func(j *Journey) bool { return j.packet().uses(d) })
	}
}

// RemoveHook unregisters a netfilter hook. nfnetlink_queue then drops all its
// packets (nfqnl_nf_hook_drop). ip_queue keeps its packets.
func (k *Kernel) RemoveHook() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if q := k.nfq(); q != nil {
		q.flush(everything)
	}
}

// Unbind destroys a queue of nfnetlink_queue without the knowledge of its owner, as
// another process that shares the socket could.
func (k *Kernel) Unbind(number uint16) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if queue := k.queueOf(number); queue != nil {
		k.nfq().destroy(queue)
	}
}

// Unload removes modules and drops their packets. Requests to ip_queue then fail
// with ECONNREFUSED, and new sockets with EPROTONOSUPPORT. Requests to
// nfnetlink_queue get the reply EINVAL, because nfnetlink remains.
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

// SetLastID gives the next packet of a queue of nfnetlink_queue the id after last.
// With it, tests make ids wrap, leave gaps or occur twice.
func (k *Kernel) SetLastID(number uint16, last uint32) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if queue := k.queueOf(number); queue != nil {
		queue.lastID = last
	}
}

// ForceID gives the next packet of ip_queue (IPv4) or ip6_queue (IPv6) the given
// id, even if another packet has it.
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

// FailSend sends the next after datagrams and then fails for the following times
// datagrams with err. A Send of several datagrams ends at the first failure.
func (s *Socket) FailSend(after, times int, err error) {
	s.k.mu.Lock()
	defer s.k.mu.Unlock()
	s.refuse = sendFault{after, times, err}
}

// FailReceive makes every Receive fail with err from now on.
func (s *Socket) FailReceive(err error) {
	s.k.mu.Lock()
	defer s.k.mu.Unlock()
	s.dead = err
	s.readable.Broadcast()
}

// Overrun simulates a message that did not fit into the receive buffer.
func (s *Socket) Overrun() {
	s.k.mu.Lock()
	defer s.k.mu.Unlock()
	s.overrun()
}

func (s *Socket) overrun() {
	s.buffer.overrun()
	s.readable.Broadcast()
}

// Wake ends the wait of a Receive although there is nothing to read. If no Receive
// waits, the next wait ends immediately.
func (s *Socket) Wake() {
	s.k.mu.Lock()
	defer s.k.mu.Unlock()
	s.awoken = true
	s.readable.Broadcast()
}

// Deliver puts any datagram into the receive buffer. from is the port of its
// sender: 0 is the kernel, any other port a local process. Deliver returns false if
// the buffer is full.
func (s *Socket) Deliver(from uint32, b []byte) bool {
	s.k.mu.Lock()
	defer s.k.mu.Unlock()
	return s.deliver(datagram{from, append([]byte(nil), b...)})
}

// Unread returns the number of datagrams in the receive buffer.
func (s *Socket) Unread() int {
	s.k.mu.Lock()
	defer s.k.mu.Unlock()
	return len(s.buffer.queue)
}
