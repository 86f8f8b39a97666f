package queuetest

import (
	"context"
	"errors"
	"sync/atomic"
)

// A Program is a running program, started by Kernel.Go. The zero Program is not
// usable. Its methods may be called from any goroutine, any number of times.
type Program struct {
	k      *Kernel
	cancel context.CancelFunc
	done   chan struct{}
	err    error       // set before done is closed
	told   atomic.Bool // the test has called Wait or Stop, which return err
}

// Go runs a program in a new goroutine. It passes a context derived from
// Context; the program must return when that context ends. The program may open
// any number of queues; Send waits for them.
//
// The end of the test ends the context of a program that still runs. The program
// may then return nil or context.Canceled. Any other error fails the test, unless
// the test called Wait or Stop.
func (k *Kernel) Go(run func(ctx context.Context) error) *Program {
	ctx, cancel := context.WithCancel(k.ctx)
	p := &Program{k: k, cancel: cancel, done: make(chan struct{})}
	k.mu.Lock()
	k.programs = append(k.programs, p)
	k.mu.Unlock()
	go func() {
		defer close(p.done)
		p.err = run(ctx)
	}()
	return p
}

// Wait waits until the program returns, and returns its error. It fails the
// test if that takes longer than Options.Timeout.
func (p *Program) Wait() error {
	p.k.t.Helper()
	p.told.Store(true)
	return p.wait()
}

// Stop ends the context of the program. It then waits, and returns its error,
// like Wait.
func (p *Program) Stop() error {
	p.k.t.Helper()
	p.cancel()
	return p.Wait()
}

func (p *Program) wait() error {
	p.k.t.Helper()
	if !p.k.until(p.ended) {
		p.k.t.Errorf("the program has not returned after %v", p.k.opts.Timeout)
		return nil
	}
	return p.err
}

func (p *Program) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// checkPrograms stops the programs at the end of the test and reports their
// errors.
func (k *Kernel) checkPrograms() {
	k.t.Helper()
	for _, p := range k.programs {
		p.cancel()
		err := p.wait()
		if err != nil && !p.told.Load() && !errors.Is(err, context.Canceled) {
			k.t.Errorf("the program returned: %v", err)
		}
	}
}
