package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/ipqueue/ipqueue/bench/internal/load"
	"github.com/ipqueue/ipqueue/bench/internal/sys"
)

// A stand is where rows are measured.
type stand struct {
	cpus             []int    // not empty
	peer             *os.File // namespace at the far end of TCP streams
	warmUp, duration time.Duration
	readBuffer       int // that the first consumer was granted
}

// newStand makes a stand of the processors that this process may use.
func newStand(peer *os.File, warmUp, duration time.Duration) (*stand, error) {
	cpus, err := sys.CPUs()
	if err != nil {
		return nil, err
	}
	return &stand{cpus: cpus, peer: peer, warmUp: warmUp, duration: duration}, nil
}

// consumerCPUs returns the processors of consumers: the first, unless all
// processes of the scene may use every one.
func (s *stand) consumerCPUs(in scene) []int {
	if in.free {
		return s.cpus
	}
	return s.cpus[:1]
}

// generatorCPUs returns the processors of generators: the last, or all.
func (s *stand) generatorCPUs(in scene) []int {
	if in.free {
		return s.cpus
	}
	return s.cpus[len(s.cpus)-1:]
}

// sharesCPU reports whether there is but one processor for everything.
func (s *stand) sharesCPU() bool { return len(s.cpus) == 1 }

// A trial is a consumer and a generator at work.
type trial struct {
	row                 row
	consumer, generator *process
}

// longer is how many times longer than it should a measurement may become.
const longer = 16

// measure runs a row, if need be again and longer until something can be
// measured.
func (s *stand) measure(r row) (values, error) {
	for t := *s; ; t.duration *= 2 {
		v, err := t.measureOnce(r)
		s.readBuffer = t.readBuffer
		if !errors.Is(err, errIdle) || t.duration >= longer*s.duration {
			return v, err
		}
	}
}

// measureOnce runs a row once. It fails unless the consumer has counted what
// the kernel has, and the kernel has nothing left to be decided.
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

// sameBuffer fails if a consumer has another receive buffer than the first.
func (s *stand) sameBuffer(n int) error {
	if s.readBuffer == 0 {
		s.readBuffer = n
	}
	if n != s.readBuffer {
		return fmt.Errorf("the consumer has a receive buffer of %d bytes, others have %d", n, s.readBuffer)
	}
	return nil
}

// What the kernel counts for a packet in a socket's buffer, in bytes.
const (
	inSendBuffer    = 768  // beside its size, about, also for each segment of a message
	inReceiveBuffer = 2048 // beside twice its size, at most
)

// What one message becomes at most.
const (
	mostSegments = 40
	mostBytes    = 60000
)

// spec is the row's load. What a flood has queued at a time is limited so that
// it fits into a quarter of the queue and half of its socket's receive buffer.
func (r row) spec(receiveBuffer int) load.Spec {
	spec := r.scene.spec
	queued := min(queueLength/4, receiveBuffer/2/(inReceiveBuffer+2*spec.Size))
	switch spec.Kind {
	case load.UDP:
		spec.Segments = max(min(mostSegments, mostBytes/max(spec.Size, 1), queued/4), 1)
	case load.ICMP:
		// A raw socket may exceed its send buffer by as much again
		// (net/ipv4/ip_output.c, __ip_append_data), and there are the replies.
		queued /= 4
	}
	spec.SendBuffer = queued * (inSendBuffer + spec.Size) / 2 // the kernel doubles it
	return spec
}

// watch takes a sample after the warm-up and one at the end.
func (s *stand) watch(t *trial) (before, after sample, err error) {
	time.Sleep(s.warmUp)
	if before, err = t.sample(); err != nil {
		return before, after, err
	}
	time.Sleep(s.duration)
	after, err = t.sample()
	return before, after, err
}

// finish ends the load, lets the consumer decide what is left, and checks its
// count.
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
