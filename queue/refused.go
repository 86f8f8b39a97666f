package queue

import "sync"

// A refusal is a verdict that the kernel did not carry out.
type refusal struct {
	id  uint64
	err error
}

// refusals tells the application of refused verdicts, one at a time and from a
// goroutine that exists while there is something to tell. So neither the reader
// nor a verdict call ever runs the application's code.
type refusals struct {
	mu      sync.Mutex
	waiting []refusal
	telling bool
}

// maxRefusals is how many may wait for the application's callback. More are
// counted but not told.
const maxRefusals = 1 << 16

// tellRefused calls Config.OnRefused soon.
func (q *Queue) tellRefused(id uint64, err error) {
	r := &q.refusals
	r.mu.Lock()
	defer r.mu.Unlock()
	if q.cfg.OnRefused == nil || len(r.waiting) == maxRefusals {
		return
	}
	r.waiting = append(r.waiting, refusal{id, q.opError("verdict", err)})
	if !r.telling {
		r.telling = true
		go q.tell()
	}
}

func (q *Queue) tell() {
	for {
		told := q.refusals.take()
		if len(told) == 0 {
			return
		}
		for _, f := range told {
			q.cfg.OnRefused(f.id, f.err)
		}
	}
}

// take returns what waits, nothing if the goroutine that tells it may end.
func (r *refusals) take() []refusal {
	r.mu.Lock()
	defer r.mu.Unlock()
	waiting := r.waiting
	r.waiting = nil
	r.telling = len(waiting) > 0
	return waiting
}
