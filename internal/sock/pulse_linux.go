package sock

import (
	"sync/atomic"
	"time"
)

// A pulse has the runtime's monitor at work while datagrams come. The monitor
// takes the processor from a goroutine that computes for more than 10 ms, and
// looks after the poller when nobody else does. But it sleeps while no goroutine
// runs, until an ordinary system call or the next timer that it knows of (Go
// 1.26, runtime/proc.go, sysmon). Then a datagram that was waited for in the
// poller, and read with a raw call, could set a goroutine going that nothing
// takes the only processor from, for as long as it likes.
//
// So there are beats while datagrams come: the first read of each is an ordinary
// call, and while it lasts there is a timer that the monitor knows of. An ordinary
// call for every datagram would keep the monitor awake beside the reader.
type pulse struct {
	beating atomic.Bool
	timer   *time.Timer
}

// beatTime is how much longer than it should the monitor sleeps at most.
const beatTime = 20 * time.Millisecond

func (p *pulse) init() {
	p.timer = time.AfterFunc(time.Hour, func() { p.beating.Store(false) })
	p.timer.Stop()
}

// beat begins a beat unless there is one. It is the reader's.
func (p *pulse) beat() {
	if !p.beating.Load() {
		p.beating.Store(true)
		p.timer.Reset(beatTime)
	}
}

func (p *pulse) stop() { p.timer.Stop() }
