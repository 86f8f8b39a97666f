package main

import (
	"cmp"
	"slices"

	"github.com/ipqueue/ipqueue/queue"
)

// most is the number of conversations that a worker remembers.
const most = 10000

// A worker decides packets one after the other.
type worker struct {
	packets chan job
	// Only the worker's goroutine uses conversations while it runs.
	conversations map[queue.Flow]traffic
	forgotten     int // conversations
	all           traffic
	failed        int // verdicts
}

// A job is a packet and the conversation it belongs to.
type job struct {
	packet       queue.Packet
	conversation queue.Flow
}

// traffic is an amount of traffic.
type traffic struct{ packets, bytes int }

func (t traffic) and(bytes int) traffic { return traffic{t.packets + 1, t.bytes + bytes} }

func newWorker() *worker {
	return &worker{packets: make(chan job, backlog), conversations: map[queue.Flow]traffic{}}
}

// run works until the channel is closed.
func (w *worker) run(decide func(queue.Packet) error) {
	for j := range w.packets {
		w.count(j)
		if err := decide(j.packet); err != nil {
			w.failed++
		}
	}
}

// count makes room for a new conversation if there are too many.
func (w *worker) count(j job) {
	length := int(j.packet.Length)
	w.all = w.all.and(length)
	t, known := w.conversations[j.conversation]
	if !known && len(w.conversations) == most {
		w.makeRoom()
	}
	w.conversations[j.conversation] = t.and(length)
}

// makeRoom forgets the half of the conversations that has the fewest bytes.
func (w *worker) makeRoom() {
	all := make([]queue.Flow, 0, len(w.conversations))
	for c := range w.conversations {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b queue.Flow) int {
		return cmp.Compare(w.conversations[a].bytes, w.conversations[b].bytes)
	})
	all = all[:len(all)/2]
	for _, c := range all {
		delete(w.conversations, c)
	}
	w.forgotten += len(all)
}
