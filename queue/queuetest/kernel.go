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

// TB is what a Kernel needs of a test: every *testing.T, *testing.B and
// *testing.F is one, and so is whatever other frameworks have in its place. Its
// methods mean what they mean in testing.TB.
type TB interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Cleanup(func())
}

// Options describe the kernel and the rule that sends packets to a queue. The
// zero Options are right for most tests.
type Options struct {
	// Backend is the queue that the kernel has: NFQueue (also the zero Auto)
	// for that of today, with nfnetlink_queue, or IPQueue for Linux 3.4 with
	// ip_queue and ip6_queue. What a program asks for with Config.Backend must
	// agree with that, or be Auto.
	Backend queue.Backend

	// Number is the queue that the rule sends packets to, for those that name
	// no other: the Config.Number of the program. ip_queue has no numbers.
	Number uint16

	// AllowUndecided lets the test end with packets that got no verdict.
	AllowUndecided bool
	// AllowLeaks lets the test end with goroutines that it started.
	AllowLeaks bool

	// AllowRunningKernel lets the test also open queues of the kernel that the
	// machine runs. Without it queue.Open fails, and the test with it, if its
	// context is none of this Kernel's and Install was not called.
	AllowRunningKernel bool

	// Timeout is how long to wait for what should happen: a verdict, a queue
	// that is opened, the end of a program. 0 means 10 seconds. In a bubble of
	// testing/synctest that is virtual time; set more if the program is to
	// take longer.
	Timeout time.Duration
}

// A Kernel is a simulated kernel with a rule that sends every packet to a
// queue. New makes one. Its methods may be called from any goroutine, unless
// they say otherwise.
type Kernel struct {
	t      TB
	opts   Options
	kernel *kerneltest.Kernel
	ctx    context.Context
	cancel context.CancelFunc

	mu        sync.Mutex
	devices   map[string]uint32
	sent      []*Sent
	judged    map[*kerneltest.Journey]bool // the test has been told, or knew
	forgiven  map[Fate]bool                // fates that faults explain
	powerless bool                         // no queue will ever be opened again
	queues    []*queue.Queue
	programs  []*Program
	installed bool // guarded by kernels.mu
}

// New returns a kernel that ends with the test. It then fails the test if
//
//   - a packet that was sent got no verdict from the program, for whatever
//     reason, unless the test wanted that fate, a fault explains it or
//     Options.AllowUndecided is set;
//   - a program started by Go returned an error that nobody asked for, or does
//     not return;
//   - a queue is still open;
//   - a goroutine that the test started after New is still there, unless
//     Options.AllowLeaks is set.
//
// Before it looks, it gives all of them Options.Timeout. What the program needs
// for its end, such as the closing of a queue, the test must arrange before
// that, with Cleanup for instance, except where it is the end of Context.
//
// Call New from the goroutine of the test, which it labels (runtime/pprof) to
// know the goroutines that start there from others. Tests may run in parallel.
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

// Context returns a context in which queue.Open finds this kernel instead of
// the running one; give it, or one derived from it, to the code under test. It
// ends with the test, after the last packet sent has been decided.
func (k *Kernel) Context() context.Context { return k.ctx }

// Open opens a queue of this kernel, which is closed at the end of the test. If
// that fails the test ends: call it from the goroutine of the test. Where the
// error is what matters call queue.Open with Context.
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

// Send lets the packet meet the rule. It returns when the packet waits in the
// queue or its fate is decided; Sent tells the rest. It keeps no slice of p, but
// remembers the packet until the test ends.
//
// The queue may be opened at the same time: unless p.Bypass is set Send waits
// for that as long as Options.Timeout, and while there is a program started by
// Go.
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

// caller is the line that calls the caller of caller.
func caller() string {
	_, file, line, _ := runtime.Caller(2)
	return fmt.Sprintf("%s:%d", filepath.Base(file), line)
}

// hopeless reports whether no program will open a queue any more.
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

// device gives names of interfaces their numbers.
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

// until waits until the condition holds, and reports false if it does not in
// time.
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
