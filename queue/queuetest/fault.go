package queuetest

import (
	"errors"
	"fmt"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
)

// Overrun loses the next n packets as if the program had been too slow: the
// socket's receive buffer has no room for them. The kernel drops them
// (Undelivered) or, with Config.FailOpen, lets them pass (FailedOpen).
// Queue.Stats tells it: Missed with nfnetlink_queue, Overruns with ip_queue,
// which loses what comes until the program has read all that is there, too.
// Packets so lost are not held against the test in the end.
func (k *Kernel) Overrun(n int) {
	k.forgive(Undelivered, FailedOpen)
	k.kernel.LosePackets(n)
}

// RefuseVerdicts makes the kernel refuse the next n verdicts with errno, a
// syscall.Errno: ENOENT for a packet that it has given up, EINVAL, ENOMEM and
// so on. The program learns of it by Config.OnRefused and Queue.Stats. Without
// OnRefused one such verdict may stand for several packets in a row. EPERM ends
// the stream: see Revoke.
//
// The packets stay in the kernel, and are not held against the test in the
// end. RefuseVerdicts panics if errno is no errno.
func (k *Kernel) RefuseVerdicts(n int, errno error) {
	number := asErrno(errno)
	k.forgive(Pending, Flushed)
	k.kernel.RefuseVerdicts(n, number)
}

func asErrno(err error) (errno kerneltest.Errno) {
	if !errors.As(err, &errno) {
		panic(fmt.Sprintf("queuetest: %v is no syscall.Errno", err))
	}
	return errno
}

// RemoveRules removes the rules and adds them again. With nfnetlink_queue the
// kernel drops all packets that wait for a verdict (Flushed), which are not
// held against the test in the end, and tells nobody: a verdict that comes
// later is refused with ENOENT. ip_queue keeps its packets.
func (k *Kernel) RemoveRules() { k.flush(k.kernel.RemoveHook) }

// LinkDown takes the interface of that name down for a moment: as RemoveRules,
// for the packets that came by it or were to leave by it, and with ip_queue,
// too.
func (k *Kernel) LinkDown(name string) {
	d := k.device(name)
	k.flush(func() { k.kernel.LinkDown(d) })
}

// flush excuses the packets that fault drops.
func (k *Kernel) flush(fault func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	waiting := make(map[*kerneltest.Journey]bool)
	for _, s := range k.sent {
		for _, j := range s.journeys() {
			waiting[j] = Fate(j.Fate()) == Pending
		}
	}
	fault()
	for j, waited := range waiting {
		if waited && Fate(j.Fate()) == Flushed {
			k.judged[j] = true
		}
	}
}

// Revoke takes the privilege CAP_NET_ADMIN from the program: from then on
// queue.Open fails with EPERM, and the next verdict ends the stream of its
// queue with an error from Queue.Err. No packet is held against the test in the
// end, and Send no longer waits for a queue.
func (k *Kernel) Revoke() {
	k.forgive(Pending, Unreplaced, QueueFull, Unheard, Unwanted, Undelivered, Flushed, FailedOpen, Bypassed)
	k.mu.Lock()
	k.powerless = true
	k.mu.Unlock()
	k.kernel.SetPrivileged(false)
}

// Break breaks the sockets of all queues that are open: every read fails with
// err. That ends their streams, and Queue.Err returns an error that matches
// err. The packets sent until then are not held against the test in the end.
// Queues can be opened again.
func (k *Kernel) Break(err error) {
	k.pardon()
	for _, s := range k.kernel.Sockets() {
		s.FailReceive(err)
	}
}

// pardon excuses the packets sent so far.
func (k *Kernel) pardon() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, s := range k.sent {
		for _, j := range s.journeys() {
			k.judged[j] = true
		}
	}
}
