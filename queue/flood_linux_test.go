package queue_test

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ipqueue/ipqueue/queue"
)

// flood sends datagrams over loopback, as fast as q decides them: at most
// inFlight are undecided, so that no buffer overflows. The function that it
// returns stops it and returns the number of datagrams sent.
func (l *lab) flood(q *queue.Queue) (stop func() int) {
	l.Helper()
	return l.floodWithin(func(sent int) int {
		s := q.Stats()
		return inFlight - (sent - int(s.Received-s.Undecided))
	})
}

const (
	inFlight = 256
	burst    = 16
)

// floodWithin sends datagrams in small bursts. room is asked how many more may
// be sent.
func (l *lab) floodWithin(room func(sent int) int) (stop func() int) {
	l.Helper()
	f := l.flow(loopback4)
	var ended atomic.Bool
	var sender sync.WaitGroup
	sent := 0
	sender.Go(func() {
		b := make([]byte, 64)
		for !ended.Load() {
			n := min(room(sent), burst)
			if n <= 0 {
				time.Sleep(10 * time.Microsecond)
			}
			for ; n > 0; n-- {
				binary.BigEndian.PutUint32(b, uint32(sent))
				if _, err := f.client.Write(b); err != nil {
					l.Error(err)
					return
				}
				sent++
			}
		}
	})
	end := sync.OnceValue(func() int {
		ended.Store(true)
		sender.Wait()
		return sent
	})
	l.Cleanup(func() { end() })
	return end
}
