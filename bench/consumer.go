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

// What every consumer is told, so that rows can be compared.
const (
	queueNumber = 7
	queueLength = 4096
	readBuffer  = queueLength * 2048 // bytes, to be asked for
)

// A consumerSpec says what a consumer of ours does.
type consumerSpec struct {
	Take    string // one of takes
	Workers int    // goroutines, where Take has several
	// Each has the library send one verdict message for each packet. That
	// is the price of being told of each refusal.
	Each    bool
	Verdict string // one of decisions
	// Segments has the kernel queue the datagrams that it makes of a large
	// message one by one rather than the message.
	Segments bool
}

// A consumerState is what a consumer says, when it is ready and later.
type consumerState struct {
	ReadBuffer int    // as granted, bytes as the kernel accounts them
	Decided    uint64 // at the end: packets that got their verdict
	Refused    uint64 // at the end: verdicts that the kernel refused
	Mallocs    uint64 // when asked: objects and bytes allocated so far
	Bytes      uint64
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

// takes are the ways to take packets off a queue until it ends. Each returns
// how many were decided.
var takes = map[string]func(q *queue.Queue, decide decision, workers int) (uint64, error){
	"packets":  takePackets,
	"all":      takeAll,
	"shuffled": takeShuffled,
}

// consume is the role of a consumer.
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

// allocations returns a function that reads the runtime's counters and
// allocates next to nothing itself.
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

// takePackets has each of the workers receive packets and decide them.
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

// held is how many packets a worker of takeShuffled gathers at most.
const held = 8

// takeShuffled has each of the workers gather packets, as many as there are
// just now, and decide them last come, first served.
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

// gather receives packets without waiting and returns how many.
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

// together runs work in several goroutines and adds up what they return.
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

// startConsumer starts a consumer of ours on some processors.
func startConsumer(cpus []int, spec consumerSpec) (*process, consumerState, error) {
	args, err := roleArgs(consumeRole, spec)
	if err != nil {
		return nil, consumerState{}, err
	}
	var ready consumerState
	p, err := startProcess(cpus, exec.Command("/proc/self/exe", args...), &ready)
	return p, ready, err
}
