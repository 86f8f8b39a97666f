package queue

import (
	"sync/atomic"
	"time"
)

// A keeper sees to it that Config.Deadline holds for packets that nobody reads
// because the consumer of the channel, or the body of a loop over All, hangs: it
// reads on. What it reads waits with the reader, or expires there.
//
// Without a deadline it does nothing. With one it is a timer that finds, as long
// as the application keeps up, that there has just been a read. The timer stops
// while somebody waits for packets.
type keeper struct {
	reader *reader
	every  time.Duration // between two looks
	timer  *time.Timer
	idle   atomic.Bool // the timer does not run, because somebody was reading
	stale  atomic.Bool // a packet has expired since the last look at reader.ready
}

// readsAtOnce is how many reads a keeper makes before others may read.
const readsAtOnce = 64

func (k *keeper) init(r *reader) {
	k.reader, k.every = r, r.every/looksPerRead
	k.timer = time.AfterFunc(time.Hour, k.look)
	k.timer.Stop()
}

func (k *keeper) start() {
	if k.every > 0 {
		k.timer.Reset(k.every)
	}
}

// look reads if nobody has read for a while.
func (k *keeper) look() {
	r := k.reader
	if r.life.isAt(closing) {
		return
	}
	select {
	case r.token <- struct{}{}:
	default: // somebody reads
		if !k.idle.Swap(true) {
			k.look() // who read may have ended just before
		}
		return
	}
	k.idle.Store(false)
	again := k.every
	if r.now()-r.lastRead >= int64(k.every) {
		if reads := r.readOn(readsAtOnce); reads == readsAtOnce {
			again = leastEvery
		}
	}
	if k.stale.Swap(false) {
		r.dropExpired()
	}
	<-r.token
	k.timer.Reset(again)
}

// goOn starts the timer again. It is called when somebody has ended reading.
func (k *keeper) goOn() {
	if k.idle.Load() && k.idle.Swap(false) {
		k.timer.Reset(k.every)
	}
}

// stop ends the timer. look ends by itself when the queue is closing.
func (k *keeper) stop() { k.timer.Stop() }
