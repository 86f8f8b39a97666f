package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"slices"
	"sync"

	"github.com/ipqueue/ipqueue/queue"
)

// Settings of every consumer, so that rows can be compared.
const (
	queueNumber = 7
	queueLength = 4096
	readBuffer  = queueLength * 2048 // bytes to request
)

// A consumerSpec describes one of our own consumers.
type consumerSpec struct {
	Take    string // a key of takes
	Workers int    // number of goroutines; takeAll ignores it
	// Each makes the library send one verdict message for each packet, as it
	// does if Config.OnRefused is set.
	Each    bool
	Verdict string // a key of decisions
	// Segments makes the kernel split a large message into datagrams before it
	// queues them. Otherwise it queues the message as a whole.
	Segments bool
}

// A consumerState is what a consumer prints: when it is ready, for each line that
// it reads, and at its end.
type consumerState struct {
	ReadBuffer int    // when ready: the size granted, in bytes as the kernel counts them
	Decided    uint64 // at the end: packets decided
	Refused    uint64 // at the end: verdicts that the kernel refused
	Mallocs    uint64 // for each line: objects allocated so far
	Bytes      uint64 // for each line: bytes allocated so far
}

// A decision gives a packet its verdict.
type decision func(queue.Packet) error

var decisions = map[string]decision{
	"accept": queue.Packet.Accept,
	"drop":   queue.Packet.Drop,
	"mark": func(p queue.Packet) error {
		return p.Decide(queue.Verdict{Action: queue.Accept, MarkMask: 1})
	},
	"replace": func(p queue.Packet) error { return p.Replace(p.Payload) },
}

// takes contains the ways to receive and decide packets until the queue ends.
// Each function returns the number of packets decided.
var takes = map[string]func(q *queue.Queue, decide decision, workers int) (uint64, error){
	"packets":  takePackets,
	"all":      takeAll,
	"shuffled": takeShuffled,
}

// consume runs one of our consumers. text is its consumerSpec in JSON.
func consume(ctx context.Context, text []byte) error {
	var spec consumerSpec
	if err := json.Unmarshal(text, &spec); err != nil {
		return err
	}
	take, decide := takes[spec.Take], decisions[spec.Verdict]
	if take == nil || decide == nil {
		return fmt.Errorf("unknown consumer %s", text)
	}
	q, err := queue.Open(ctx, spec.config())
	if err != nil {
		return err
	}
	defer q.Close()
	if err := say(consumerState{ReadBuffer: q.Stats().ReadBuffer}); err != nil {
		return err
	}
	if err := answer(allocations()); err != nil {
		return err
	}
	n, err := take(q, decide, spec.Workers)
	final := consumerState{Decided: n, Refused: q.Stats().Refused}
	return errors.Join(err, q.Err(), say(final))
}

func (s *consumerSpec) config() queue.Config {
	c := queue.Config{Number: queueNumber, QueueLength: queueLength, ReadBuffer: readBuffer, NoGSO: s.Segments}
	if s.Each {
		c.OnRefused = func(uint64, error) {}
	}
	return c
}

// allocations returns a function that reads the runtime's counters of
// allocations. The function itself allocates almost nothing.
func allocations() func() any {
	var m runtime.MemStats
	state := new(consumerState)
	return func() any {
		runtime.ReadMemStats(&m)
		state.Mallocs, state.Bytes = m.Mallocs, m.TotalAlloc
		return state
	}
}

func takeAll(q *queue.Queue, decide decision, _ int) (n uint64, err error) {
	for p := range q.All() {
		if err := decide(p); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// takePackets starts workers that each receive packets and decide them.
func takePackets(q *queue.Queue, decide decision, workers int) (uint64, error) {
	return together(workers, func() (n uint64, err error) {
		for p := range q.Packets() {
			if err := decide(p); err != nil {
				return n, err
			}
			n++
		}
		return n, nil
	})
}

// held is the largest number of packets that a worker of takeShuffled gathers.
const held = 8

// takeShuffled starts workers that each gather the packets that are available, and
// decide them in reverse order.
func takeShuffled(q *queue.Queue, decide decision, workers int) (uint64, error) {
	return together(workers, func() (n uint64, err error) {
		var packets [held]queue.Packet
		for p := range q.Packets() {
			packets[0] = p
			gathered := packets[:1+gather(q.Packets(), packets[1:])]
			slices.Reverse(gathered)
			for _, p := range gathered {
				if err := decide(p); err != nil {
					return n, err
				}
				n++
			}
		}
		return n, nil
	})
}

// gather receives packets without waiting and returns their number.
func gather(from <-chan queue.Packet, into []queue.Packet) int {
	for i := range into {
		select {
		case p, ok := <-from:
			if !ok {
				return i
			}
			into[i] = p
		default:
			return i
		}
	}
	return len(into)
}

// together runs work in several goroutines. It returns the sum of the numbers that
// they return, and their errors.
func together(workers int, work func() (uint64, error)) (uint64, error) {
	counts, errs := make([]uint64, workers), make([]error, workers)
	var group sync.WaitGroup
	for i := range workers {
		group.Go(func() { counts[i], errs[i] = work() })
	}
	group.Wait()
	var sum uint64
	for _, n := range counts {
		sum += n
	}
	return sum, errors.Join(errs...)
}

// startConsumer starts one of our consumers on the given processors.
func startConsumer(cpus []int, spec consumerSpec) (*process, consumerState, error) {
	args, err := roleArgs(consumeRole, spec)
	if err != nil {
		return nil, consumerState{}, err
	}
	var ready consumerState
	p, err := startProcess(cpus, exec.Command("/proc/self/exe", args...), &ready)
	return p, ready, err
}
