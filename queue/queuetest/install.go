package queuetest

import (
	"slices"
	"strings"
	"sync"

	"github.com/ipqueue/ipqueue/internal/leak"
	"github.com/ipqueue/ipqueue/internal/sock"
)

// Install makes queue.Open find k also where its context has no kernel, for code
// that makes its own context. It works in all goroutines that the test starts,
// directly or not, until it ends; tests that call it may run in parallel. Such a
// queue lives as long as the context that the code gave it: the test must have
// the code close the queue before it ends.
//
// A goroutine that runs already when New is called, or that sets its profiler
// labels itself (runtime/pprof), is not known to belong to the test. It finds k
// only if no other Kernel is in use.
func (k *Kernel) Install() {
	kernels.mu.Lock()
	defer kernels.mu.Unlock()
	k.installed = true
}

// kernels are those in use by any test of the process.
var kernels struct {
	mu   sync.Mutex
	list []*Kernel
}

// use adds k. As long as there is any, queue.Open does not find the running
// kernel.
func (k *Kernel) use() {
	kernels.mu.Lock()
	defer kernels.mu.Unlock()
	kernels.list = append(kernels.list, k)
	sock.SetDefault(defaultKernel)
}

// unuse takes k out.
func (k *Kernel) unuse() {
	kernels.mu.Lock()
	defer kernels.mu.Unlock()
	kernels.list = slices.DeleteFunc(kernels.list, func(o *Kernel) bool { return o == k })
	if len(kernels.list) == 0 {
		sock.SetDefault(nil)
	}
}

// A noKernelError is why code that was given no kernel opens no queue. To queue.Open
// it means that there is no netlink at all.
type noKernelError struct{}

func (noKernelError) Error() string {
	return "queuetest: queue.Open would have opened a queue of the running kernel: " +
		"give it Kernel.Context or a context made from that, or call Kernel.Install (Options.AllowRunningKernel permits it)"
}

func (noKernelError) Is(target error) bool { return target == sock.ErrUnsupported }

// defaultKernel returns the kernel for a context that has none.
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

// ownKernel returns the Kernel of the test that started the calling goroutine,
// nil if that is not known. The caller has kernels.mu, so that no other goroutine
// is in this function.
func ownKernel() *Kernel {
	here := func(stack string) bool { return strings.Contains(stack, "queuetest.ownKernel") }
	for _, k := range kernels.list {
		if slices.ContainsFunc(leak.Labelled(labelKey, k.labelValue()), here) {
			return k
		}
	}
	return nil
}

// A noKernel refuses everything.
type noKernel struct{}

func (noKernel) Open(sock.Config) (sock.Socket, error)    { return nil, noKernelError{} }
func (noKernel) ReadFile(string) ([]byte, error)          { return nil, noKernelError{} }
func (noKernel) Glob(string) []string                     { return nil }
func (noKernel) WriteFile(string, []byte) error           { return noKernelError{} }
func (noKernel) Holder(int, uint32) (sock.Process, error) { return sock.Process{}, noKernelError{} }
