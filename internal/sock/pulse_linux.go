package sock

import (
	"sync/atomic"
	"time"
)

// A pulse keeps the runtime's monitor thread (sysmon) awake while datagrams
// arrive. The monitor preempts a goroutine that has been running for more than
// 10 ms, and polls the network if no other thread does. But it sleeps while no
// goroutine runs, until an ordinary system call returns or a known timer fires
// (Go 1.26, runtime/proc.go, sysmon). A raw system call does not wake it. So if
// a goroutine waits in the poller for a datagram, reads it with a raw call, and
// so makes another goroutine runnable, the other one could keep the only
// processor for an unlimited time.
//
// A pulse prevents this with beats. While datagrams arrive, the first read of
// each beat is an ordinary system call, and a timer that the monitor knows ends
// the beat. Making every read an ordinary call would keep the monitor running
// all the time.
type pulse struct {
	beating atomic.Bool
	timer   *time.Timer
}

// beatTime is the longest time that the monitor sleeps too long.
const beatTime = 20 * time.Millisecond

func (p *pulse) init() {
	p.timer = time.AfterFunc(time.Hour, func() { p.beating.Store(false) })
	p.timer.Stop()
}

// beat starts a beat unless there is one. Only the reader may call it.
func (p *pulse) beat() {
	if !p.beating.Load() {
		p.beating.Store(true)
		p.timer.Reset(beatTime)
	}
}

func (p *pulse) stop() { p.timer.Stop() }
