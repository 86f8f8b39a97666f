package queuetest

import (
	"slices"
	"strings"
	"sync"

	"github.com/ipqueue/ipqueue/internal/leak"
	"github.com/ipqueue/ipqueue/internal/sock"
)

// Install makes queue.Open use k even if its context is not derived from Context,
// for code that creates its own context. It works in all goroutines that the test
// starts, directly or indirectly, until the test ends. Tests that call it may run
// in parallel. The life of such a queue is the context that the code passed to
// queue.Open, so the test must make the code close the queue before the test ends.
//
// A goroutine that already runs when New is called, or that sets its own profiler
// labels (runtime/pprof), is not recognized as one of the test. It uses k only if
// no other Kernel is in use.
func (k *Kernel) Install() {
	kernels.mu.Lock()
	defer kernels.mu.Unlock()
	k.installed = true
}

// kernels contains the kernels in use by all tests of the process.
var kernels struct {
	mu   sync.Mutex
	list []*Kernel
}

// use adds k to kernels. While kernels is not empty, queue.Open does not use the
// real kernel.
func (k *Kernel) use() {
	kernels.mu.Lock()
	defer kernels.mu.Unlock()
	kernels.list = append(kernels.list, k)
	sock.SetDefault(defaultKernel)
}

// unuse removes k from kernels.
func (k *Kernel) unuse() {
	kernels.mu.Lock()
	defer kernels.mu.Unlock()
	kernels.list = slices.DeleteFunc(kernels.list, func(o *Kernel) bool { return o == k })
	if len(kernels.list) == 0 {
		sock.SetDefault(nil)
	}
}

// A noKernelError is the error for code that has no simulated kernel. queue.Open
// treats it like a system without netlink.
type noKernelError struct{}

func (noKernelError) Error() string {
	return "queuetest: queue.Open would have opened a queue of the real kernel: " +
		"pass it Kernel.Context or a context derived from it, or call Kernel.Install (Options.AllowRunningKernel allows it)"
}

func (noKernelError) Is(target error) bool { return target == sock.ErrUnsupported }

// defaultKernel returns the kernel for a context that contains none.
func defaultKernel() sock.Kernel {
	kernels.mu.Lock()
	defer kernels.mu.Unlock()
	k := ownKernel()
	switch {
	case k != nil && k.installed:
		return k.kernel
	case k == nil && len(kernels.list) == 1 && kernels.list[0].installed:
		return kernels.list[0].kernel
	case k != nil && k.opts.AllowRunningKernel,
		k == nil && slices.ContainsFunc(kernels.list, func(k *Kernel) bool { return k.opts.AllowRunningKernel }):
		return sock.Host()
	case k != nil:
		k.t.Errorf("%v", noKernelError{})
	}
	return noKernel{}
}

// ownKernel returns the Kernel of the test that started the calling goroutine, or
// nil if it is unknown. It finds that goroutine by its own name on the stack. The
// caller holds kernels.mu, so no other goroutine is in this function.
func ownKernel() *Kernel {
	here := func(stack string) bool { return strings.Contains(stack, "queuetest.ownKernel") }
	for _, k := range kernels.list {
		if slices.ContainsFunc(leak.Labelled(labelKey, k.labelValue()), here) {
			return k
		}
	}
	return nil
}

// A noKernel fails every call with noKernelError.
type noKernel struct{}

func (noKernel) Open(sock.Config) (sock.Socket, error)    { return nil, noKernelError{} }
func (noKernel) ReadFile(string) ([]byte, error)          { return nil, noKernelError{} }
func (noKernel) Glob(string) []string                     { return nil }
func (noKernel) WriteFile(string, []byte) error           { return noKernelError{} }
func (noKernel) Holder(int, uint32) (sock.Process, error) { return sock.Process{}, noKernelError{} }
