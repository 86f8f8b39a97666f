package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/ipqueue/ipqueue/bench/internal/load"
	"github.com/ipqueue/ipqueue/bench/internal/sys"
)

// A stand contains what all measurements share.
type stand struct {
	cpus             []int    // not empty
	peer             *os.File // the namespace at the far end of TCP streams
	warmUp, duration time.Duration
	readBuffer       int // granted to the first consumer, bytes
}

// newStand returns a stand with the processors that this process may use.
func newStand(peer *os.File, warmUp, duration time.Duration) (*stand, error) {
	cpus, err := sys.CPUs()
	if err != nil {
		return nil, err
	}
	return &stand{cpus: cpus, peer: peer, warmUp: warmUp, duration: duration}, nil
}

// consumerCPUs returns the processors of consumers: the first one, or all in a free
// scene.
func (s *stand) consumerCPUs(in scene) []int {
	if in.free {
		return s.cpus
	}
	return s.cpus[:1]
}

// generatorCPUs returns the processors of generators: the last one, or all in a
// free scene.
func (s *stand) generatorCPUs(in scene) []int {
	if in.free {
		return s.cpus
	}
	return s.cpus[len(s.cpus)-1:]
}

// sharesCPU reports whether consumers and generators share the only processor.
func (s *stand) sharesCPU() bool { return len(s.cpus) == 1 }

// A trial is a running consumer and a running generator.
type trial struct {
	row                 row
	consumer, generator *process
}

// longer limits how much longer than intended a measurement may become.
const longer = 16

// measure measures a row. If too little happened, it measures the row again for
// twice the time.
func (s *stand) measure(r row) (values, error) {
	for t := *s; ; t.duration *= 2 {
		v, err := t.measureOnce(r)
		s.readBuffer = t.readBuffer
		if !errors.Is(err, errIdle) || t.duration >= longer*s.duration {
			return v, err
		}
	}
}

// measureOnce measures a row once. It fails if the counts of consumer and kernel
// differ, or if a packet is left undecided.
func (s *stand) measureOnce(r row) (values, error) {
	consumer, ready, err := s.startConsumer(r)
	if err != nil {
		return nil, err
	}
	defer consumer.kill()
	if err := s.sameBuffer(ready.ReadBuffer); err != nil {
		return nil, err
	}
	generator, err := startGenerator(s.generatorCPUs(r.scene), r.spec(ready.ReadBuffer), s.peer)
	if err != nil {
		return nil, err
	}
	defer generator.kill()
	t := &trial{r, consumer, generator}
	before, after, err := s.watch(t)
	if err != nil {
		return nil, err
	}
	if err := t.finish(); err != nil {
		return nil, err
	}
	return between(r, before, after)
}

func (s *stand) startConsumer(r row) (*process, consumerState, error) {
	if r.contender.isOurs() {
		return startConsumer(s.consumerCPUs(r.scene), r.contender.ours)
	}
	return startPeer(s.consumerCPUs(r.scene), r.contender.peer, r.scene)
}

// sameBuffer fails if the receive buffer of a consumer has another size than that
// of the first consumer.
func (s *stand) sameBuffer(n int) error {
	if s.readBuffer == 0 {
		s.readBuffer = n
	}
	if n != s.readBuffer {
		return fmt.Errorf("the consumer has a receive buffer of %d bytes, others have %d", n, s.readBuffer)
	}
	return nil
}

// The number of bytes that the kernel counts for a packet in a socket's buffer.
const (
	inSendBuffer    = 768  // about, in addition to its size; also for each segment of a message
	inReceiveBuffer = 2048 // at most, in addition to twice its size
)

// The most datagrams, and bytes, of one message.
const (
	mostSegments = 40
	mostBytes    = 60000
)

// spec returns the load of the row. It limits the packets that a flood has queued
// at a time to a quarter of the queue and half of the receive buffer.
func (r row) spec(receiveBuffer int) load.Spec {
	spec := r.scene.spec
	queued := min(queueLength/4, receiveBuffer/2/(inReceiveBuffer+2*spec.Size))
	switch spec.Kind {
	case load.UDP:
		spec.Segments = max(min(mostSegments, mostBytes/max(spec.Size, 1), queued/4), 1)
	case load.ICMP:
		// A raw socket may use twice its send buffer (net/ipv4/ip_output.c,
		// __ip_append_data), and the replies are queued as well.
		queued /= 4
	}
	spec.SendBuffer = queued * (inSendBuffer + spec.Size) / 2 // the kernel doubles it
	return spec
}

// watch takes a sample after the warm-up and another at the end.
func (s *stand) watch(t *trial) (before, after sample, err error) {
	time.Sleep(s.warmUp)
	if before, err = t.sample(); err != nil {
		return before, after, err
	}
	time.Sleep(s.duration)
	after, err = t.sample()
	return before, after, err
}

// finish ends the load, waits until the consumer has decided the remaining packets,
// and checks all counts.
func (t *trial) finish() error {
	var reading load.Reading
	if err := t.generator.stop(&reading); err != nil {
		return err
	}
	status, err := awaitQuiet()
	if err != nil {
		return err
	}
	if kind := t.row.scene.spec.Kind; kind == load.UDP || kind == load.OneByOne {
		if err := checkSent(status, reading.Sent); err != nil {
			return err
		}
	}
	var final consumerState
	if err := t.consumer.stop(&final); err != nil {
		return err
	}
	return checkCount(status, final)
}
