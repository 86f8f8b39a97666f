package queuetest

import (
	"errors"
	"fmt"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
)

// Overrun makes the kernel lose the next n packets as if the program were too
// slow: the socket's receive buffer has no room for them. The kernel drops them
// (Undelivered) or, with Config.FailOpen, lets them pass (FailedOpen).
// Queue.Stats counts them as Missed with nfnetlink_queue, and as Overruns with
// ip_queue. ip_queue also loses later packets until the program has read
// everything in the receive buffer. Lost packets do not fail the test at its end.
func (k *Kernel) Overrun(n int) {
	k.forgive(Undelivered, FailedOpen)
	k.kernel.LosePackets(n)
}

// RefuseVerdicts makes the kernel refuse the next n verdicts with errno, a
// syscall.Errno such as EINVAL, ENOMEM, or ENOENT (the kernel no longer has the
// packet). The queue calls Config.OnRefused, and Queue.Stats counts the refusals.
// Without OnRefused, the queue may send one verdict for several consecutive
// packets. EPERM ends the stream: see Revoke.
//
// The packets stay in the kernel, and do not fail the test at its end.
// RefuseVerdicts panics if errno is not a syscall.Errno.
func (k *Kernel) RefuseVerdicts(n int, errno error) {
	number := asErrno(errno)
	k.forgive(Pending, Flushed)
	k.kernel.RefuseVerdicts(n, number)
}

func asErrno(err error) (errno kerneltest.Errno) {
	if !errors.As(err, &errno) {
		panic(fmt.Sprintf("queuetest: %v is not a syscall.Errno", err))
	}
	return errno
}

// RemoveRules removes the rules and adds them again. With nfnetlink_queue the
// kernel drops all packets that wait for a verdict (Flushed) without notifying
// the program, and refuses later verdicts for them with ENOENT. These packets do
// not fail the test at its end. ip_queue keeps its packets.
func (k *Kernel) RemoveRules() { k.flush(k.kernel.RemoveHook) }

// LinkDown sets the named interface down, and up again. The kernel drops the
// packets that arrived on it or were to leave through it, as described for
// RemoveRules. ip_queue drops them as well.
func (k *Kernel) LinkDown(name string) {
	d := k.device(name)
	k.flush(func() { k.kernel.LinkDown(d) })
}

// flush calls fault, and marks the packets that it drops as judged.
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

// Revoke removes the privilege CAP_NET_ADMIN from the program. From then on
// queue.Open fails with EPERM, and the next verdict ends the stream of its queue:
// Queue.Err then returns an error. No packet fails the test at its end, and Send
// no longer waits for a queue to be opened.
func (k *Kernel) Revoke() {
	k.forgive(Pending, Unreplaced, QueueFull, Unheard, Unwanted, Undelivered, Flushed, FailedOpen, Bypassed)
	k.mu.Lock()
	k.powerless = true
	k.mu.Unlock()
	k.kernel.SetPrivileged(false)
}

// Break breaks the sockets of all open queues: every read fails with err. This
// ends their streams, and Queue.Err returns an error that matches err (errors.Is).
// Packets sent before the call do not fail the test at its end. The program can
// open queues again.
func (k *Kernel) Break(err error) {
	k.pardon()
	for _, s := range k.kernel.Sockets() {
		s.FailReceive(err)
	}
}

// pardon marks all packets sent so far as judged.
func (k *Kernel) pardon() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, s := range k.sent {
		for _, j := range s.journeys() {
			k.judged[j] = true
		}
	}
}
