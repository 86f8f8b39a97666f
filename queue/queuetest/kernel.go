package queuetest

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/queue"
)

// TB is the part of testing.TB that a Kernel uses. *testing.T, *testing.B and
// *testing.F implement it; other test frameworks can do so as well. The methods
// have the same meaning as in testing.TB.
type TB interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Cleanup(func())
}

// Options describe the kernel and the rule that sends packets to a queue. The
// zero value suits most tests.
type Options struct {
	// Backend selects the simulated kernel. NFQueue, or the zero value Auto,
	// is a current kernel with nfnetlink_queue. IPQueue is Linux 3.4 with
	// ip_queue and ip6_queue. The Config.Backend of the program must be the
	// same, or Auto.
	Backend queue.Backend

	// Number is the queue that the rule sends packets to, unless
	// Packet.Number is set. It is the Config.Number of the program. ip_queue
	// has no queue numbers.
	Number uint16

	// AllowUndecided allows packets without a verdict at the end of the test.
	AllowUndecided bool
	// AllowLeaks allows goroutines of the test to outlive it.
	AllowLeaks bool

	// AllowRunningKernel allows the test to open queues of the real kernel as
	// well. Otherwise queue.Open fails, and so does the test, if the context is
	// not derived from Context and Install was not called.
	AllowRunningKernel bool

	// Timeout is the longest time to wait for an expected event: a verdict,
	// the opening of a queue, the end of a program. 0 means 10 seconds. In a
	// testing/synctest bubble this is virtual time; increase it if the
	// program waits longer.
	Timeout time.Duration
}

// A Kernel is a simulated kernel with a rule that sends every packet to a
// queue. Create one with New. Its methods may be called from any goroutine,
// unless stated otherwise.
type Kernel struct {
	t      TB
	opts   Options
	kernel *kerneltest.Kernel
	ctx    context.Context
	cancel context.CancelFunc

	mu        sync.Mutex
	devices   map[string]uint32
	sent      []*Sent
	judged    map[*kerneltest.Journey]bool // reported already, or expected by the test
	forgiven  map[Fate]bool                // fates that simulated faults can cause
	powerless bool                         // Revoke was called: no queue can be opened any more
	queues    []*queue.Queue
	programs  []*Program
	installed bool // guarded by kernels.mu
}

// New returns a kernel for the duration of the test. At the end of the test, the
// kernel fails it if
//
//   - the program gave no verdict on a packet, for whatever reason, unless the
//     test expected that Fate, a simulated fault can cause it, or
//     Options.AllowUndecided is set;
//   - a program started by Go returned an error that neither Wait nor Stop
//     returned to the test, or does not return;
//   - a queue is still open;
//   - a goroutine that the test started after New still runs, unless
//     Options.AllowLeaks is set.
//
// Each of these checks first waits up to Options.Timeout. The end of the test
// also ends Context. If the program needs anything else to finish, for example
// the closing of a queue, the test must arrange it before that, for example with
// Cleanup.
//
// Call New from the goroutine of the test. New labels it (runtime/pprof), in
// order to recognize the goroutines that it starts. Tests may run in parallel.
func New(t TB, o Options) *Kernel {
	t.Helper()
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	modules := kerneltest.NFQueue
	if o.Backend == queue.IPQueue {
		modules = kerneltest.IPQueue | kerneltest.IP6Queue
	}
	k := &Kernel{
		t:        t,
		opts:     o,
		kernel:   kerneltest.New(kerneltest.Options{Modules: modules}),
		devices:  map[string]uint32{"lo": 1},
		judged:   make(map[*kerneltest.Journey]bool),
		forgiven: make(map[Fate]bool),
	}
	k.ctx, k.cancel = context.WithCancel(sock.WithKernel(k.label(context.Background()), k.kernel))
	k.use()
	t.Cleanup(k.finish)
	return k
}

// Context returns a context with which queue.Open uses this kernel instead of
// the real one. Pass it, or a context derived from it, to the code under test. It
// ends at the end of the test, after the last packet has been decided.
func (k *Kernel) Context() context.Context { return k.ctx }

// Open opens a queue on this kernel and closes it at the end of the test. Call
// it from the goroutine of the test: if opening fails, Open ends the test. To test
// the error, call queue.Open with Context instead.
func (k *Kernel) Open(c queue.Config) *queue.Queue {
	k.t.Helper()
	q, err := queue.Open(k.ctx, c)
	if err != nil {
		k.t.Fatalf("%v", err)
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.queues = append(k.queues, q)
	return q
}

// Send sends a packet through the rule. It returns when the packet waits in the
// queue or its fate is decided; the Sent reports what happens next. Send keeps no
// reference to the slices of p. The kernel keeps a copy of the packet until the
// test ends.
//
// The program may open the queue later: unless p.Bypass is set, Send waits for
// that, up to Options.Timeout. It stops waiting when all programs started by Go
// have returned, and after Revoke.
func (k *Kernel) Send(p Packet) *Sent {
	from := caller()
	p = p.clone()
	if p.Number == 0 {
		p.Number = k.opts.Number
	}
	raw := k.raw(p)
	if !p.Bypass {
		k.until(func() bool { return k.kernel.Served(raw) || k.hopeless() })
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	s := &Sent{k: k, name: fmt.Sprintf("packet %d", len(k.sent)+1), from: from, packet: p, journey: k.kernel.Inject(raw)}
	k.sent = append(k.sent, s)
	return s
}

// caller returns the file and line from which the caller of caller was called.
func caller() string {
	_, file, line, _ := runtime.Caller(2)
	return fmt.Sprintf("%s:%d", filepath.Base(file), line)
}

// hopeless reports whether no queue will be opened any more: the privilege was
// revoked, or all programs have returned.
func (k *Kernel) hopeless() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	ended := 0
	for _, p := range k.programs {
		if p.ended() {
			ended++
		}
	}
	return k.powerless || ended > 0 && ended == len(k.programs)
}

// device returns the interface with the given name. It assigns the next index to
// a new name.
func (k *Kernel) device(name string) kerneltest.Device {
	if name == "" {
		return kerneltest.Device{}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.devices[name] == 0 {
		k.devices[name] = uint32(len(k.devices) + 1)
	}
	return kerneltest.Device{Index: k.devices[name], Name: name}
}

// until waits until the condition is true. It returns false if that takes longer
// than Options.Timeout.
func (k *Kernel) until(condition func() bool) bool {
	const longest = 20 * time.Millisecond
	end := time.Now().Add(k.opts.Timeout)
	for pause := 100 * time.Microsecond; !condition(); pause = min(2*pause, longest) {
		if time.Now().After(end) {
			return false
		}
		time.Sleep(pause)
	}
	return true
}
