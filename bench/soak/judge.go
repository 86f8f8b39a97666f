package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"

	"github.com/ipqueue/ipqueue/queue"
)

// A judge gives the packets of one queue their verdicts. Its methods may be
// called from any goroutine.
type judge struct {
	q     *queue.Queue
	cfg   queue.Config
	noise noise
	mark  uint32 // of accepted packets
	given sharedTally
	shelf shelf
}

// receive decides a packet, holds it or forgets it.
func (j *judge) receive(r *rand.Rand, p queue.Packet) error {
	if err := j.dawdle(r); err != nil {
		return err
	}
	switch n := r.IntN(100); {
	case n < 2 && j.cfg.Deadline > 0:
		return nil // the deadline decides it
	case n < 12:
		j.shelf.put(p)
		return nil
	}
	return j.decide(r, p)
}

// dawdle sometimes waits, so that buffers fill, and sometimes changes the mode.
func (j *judge) dawdle(r *rand.Rand) error {
	switch n := r.IntN(20000); {
	case n == 0:
		time.Sleep(upTo(r, 400*time.Millisecond))
	case n < 10:
		time.Sleep(upTo(r, 20*time.Millisecond))
	case n < 20:
		return j.setMode(randomMode(r))
	}
	return nil
}

// setMode changes the mode. It fails if the kernel does not answer.
func (j *judge) setMode(m queue.Mode) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := j.q.SetMode(ctx, m)
	switch {
	case err == nil, errors.Is(err, queue.ErrClosed):
		return nil
	case errors.Is(err, syscall.ENOBUFS) && j.cfg.MaxUndecided > 0:
		return nil // the answer is behind packets for which there is no room
	}
	return fmt.Errorf("SetMode(%v): %w", m, err)
}

// decide gives a packet its verdict.
func (j *judge) decide(r *rand.Rand, p queue.Packet) error {
	if err := j.inspect(p); err != nil {
		return err
	}
	v := j.verdict(r, p)
	err := p.Decide(v)
	switch {
	case err == nil:
		j.given.add(v)
		return nil
	case errors.Is(err, queue.ErrClosed):
		return nil
	case errors.Is(err, queue.ErrDecided) && j.cfg.Deadline > 0:
		return nil
	}
	return fmt.Errorf("packet %v: verdict %v: %w", p, v, err)
}

// inspect checks that a datagram has its original content, however long it was held.
func (j *judge) inspect(p queue.Packet) error {
	protocol, segment := p.Transport()
	if protocol != udp || len(segment) < udpHeader {
		return nil
	}
	if _, _, err := j.noise.check(segment[udpHeader:]); err != nil {
		return fmt.Errorf("packet %v: %w", p, err)
	}
	return nil
}

func (j *judge) verdict(r *rand.Rand, p queue.Packet) queue.Verdict {
	accept := queue.Verdict{Action: queue.Accept, Mark: j.mark}
	protocol := p.Flow().Protocol
	switch n := r.IntN(100); {
	case protocol == tcp && n < 98:
		// TCP is nearly always accepted: it recovers slowly from losses.
	case n < 15:
		return queue.Verdict{Action: queue.Drop}
	case n < 25:
		accept.Payload = j.replacement(r, p, protocol)
	case j.mark != acceptedMark:
	case n < 30:
		return queue.Verdict{Action: queue.Repeat, Mark: repeatedMark}
	case n < 50 && protocol != tcp:
		return queue.Verdict{Action: queue.Requeue, Number: secondQueue, Mark: requeuedMark}
	}
	return accept
}

// IANA's protocol numbers.
const (
	tcp = 6
	udp = 17
)

const udpHeader = 8 // bytes

// replacement returns a replacement for the packet, or nil if the packet is not whole.
// The result may be the packet's Payload. A replaced datagram keeps its number.
func (j *judge) replacement(r *rand.Rand, p queue.Packet, protocol uint8) []byte {
	if len(p.Payload) == 0 || p.Truncated() {
		return nil
	}
	_, segment := p.Transport()
	if protocol != udp || len(segment) < udpHeader+datagramHead || maybe(r, 2) {
		return p.Payload
	}
	least := len(p.Payload) - len(segment) + udpHeader
	length := least + r.IntN(max(len(p.Payload), 1500)-least+1)
	b := make([]byte, length)
	copy(b, p.Payload)
	j.noise.datagram(b[least:], binary.BigEndian.Uint64(segment[udpHeader:]))
	if ip := b; ip[0]>>4 == 4 {
		binary.BigEndian.PutUint16(ip[2:], uint16(length))
	} else {
		binary.BigEndian.PutUint16(ip[4:], uint16(length-40))
	}
	return b
}
