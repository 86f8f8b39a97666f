package kerneltest

import "github.com/ipqueue/ipqueue/internal/sock"

// Inject sends a packet through its rule. When Inject returns, everything that
// happens immediately, for example the delivery to a socket, has happened. Inject
// keeps no slice of p that the kernel may change.
func (k *Kernel) Inject(p Packet) *Journey {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.addLinks(p.In, p.Out, p.PhysIn, p.PhysOut)
	j := newJourney(k, p)
	k.proceed(j, j.packet().rule())
	return j
}

// Served reports whether a socket would receive p: it has bound the queue, and the
// copy mode is not NONE.
func (k *Kernel) Served(p Packet) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	m := k.handler(or(p.Family, IPv4))
	return m != nil && m.served(p.rule())
}

// families is the number of protocol families (NFPROTO_NUMPROTO).
const families = 13

// handler returns the module that handles queued packets of the family, or nil.
// A family has only one (net/netfilter/nf_queue.c, nf_register_queue_handler).
func (k *Kernel) handler(f Family) module {
	if m := k.ipqOf(f); m != nil {
		return m
	}
	q := k.nfq()
	if q == nil || k.opts.Linux.bindsFamilies() && !q.families[f] {
		return nil
	}
	return q
}

// ipqOf returns the ip_queue of a family, or nil.
func (k *Kernel) ipqOf(f Family) *ipq {
	switch f {
	case IPv4:
		return k.ipq(sock.ProtoFirewall)
	case IPv6:
		return k.ipq(sock.ProtoIP6FW)
	}
	return nil
}

// proceed carries out a verdict (nf_reinject). The kernel compares the whole word
// with ACCEPT and REPEAT, and only the low 8 bits with the other verdicts.
func (k *Kernel) proceed(j *Journey, word uint32) {
	if word == verdictRepeat {
		word = j.packet().rule()
	}
	switch {
	case word == verdictAccept:
		j.end(Accepted)
	case word&verdictMask == verdictAccept, word&verdictMask == verdictStop:
		j.end(Stopped)
	case word&verdictMask == verdictQueue:
		k.queue(j, word)
	default:
		j.end(Dropped)
	}
}

// queue passes a packet to the module that handles its family (nf_queue).
func (k *Kernel) queue(j *Journey, word uint32) {
	m := k.handler(j.packet().Family)
	if m == nil {
		k.settle(j, unheard(word))
		return
	}
	if j.packet().GSO > 0 && m.segments(word) {
		k.queueSegments(j, m, word)
		return
	}
	k.settle(j, m.enqueue(j, word))
}

// queueSegments splits a packet and queues the segments. If one cannot be queued,
// it is dropped with all later ones.
func (k *Kernel) queueSegments(j *Journey, m module, word uint32) {
	fate := Pending
	for _, p := range segment(j.packet()) {
		s := newJourney(k, p)
		if fate == Pending || fate.Passes() {
			fate = m.enqueue(s, word)
		}
		k.settle(s, fate)
		j.result.Segments = append(j.result.Segments, s)
	}
	j.end(Segmented)
}

func (k *Kernel) settle(j *Journey, f Fate) {
	if f != Pending {
		j.end(f)
	}
}

// unheard returns the fate of a packet whose queue no socket has bound.
func unheard(word uint32) Fate {
	if word&verdictBypass != 0 {
		return Bypassed
	}
	return Unheard
}
