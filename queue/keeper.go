package queue

import (
	"sync/atomic"
	"time"
)

// A keeper makes Config.Deadline work if the application hangs, so that nobody
// takes packets from the channel or the body of a loop over All does not
// return. It then reads packets itself. They wait in the reader, or expire
// there.
//
// Without a deadline it does nothing. With one it is a timer that normally
// finds that there was a read recently. The timer is stopped while a goroutine
// waits for packets.
type keeper struct {
	reader *reader
	every  time.Duration // interval of the timer
	timer  *time.Timer
	idle   atomic.Bool // the timer is stopped, because a goroutine was reading
	stale  atomic.Bool // a packet has expired since reader.ready was last checked
}

// readsAtOnce is the number of reads that a keeper makes before it releases the
// token.
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

// look is the function of the timer: it reads packets if there was no read
// recently.
func (k *keeper) look() {
	r := k.reader
	if r.life.isAt(closing) {
		return
	}
	select {
	case r.token <- struct{}{}:
	default: // another goroutine is reading
		if !k.idle.Swap(true) {
			k.look() // it may have ended just before idle was set
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

// goOn restarts the timer. It is called after a goroutine has released the
// token.
func (k *keeper) goOn() {
	if k.idle.Load() && k.idle.Swap(false) {
		k.timer.Reset(k.every)
	}
}

// stop stops the timer. A call of look that has started ends by itself when the
// queue is closing.
func (k *keeper) stop() { k.timer.Stop() }
