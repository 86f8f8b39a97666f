package queuetest

import (
	"context"
	"fmt"
	"runtime/pprof"

	"github.com/ipqueue/ipqueue/internal/leak"
)

// labelKey is the pprof label of the goroutines of a test. A goroutine inherits
// the labels of the one that starts it, so the labels distinguish the goroutines of
// tests that run in parallel.
const labelKey = "queuetest"

func (k *Kernel) labelValue() string { return fmt.Sprintf("%p", k) }

// label sets the label of the calling goroutine. It returns a context with the
// same label, so that pprof.Do with that context keeps it.
func (k *Kernel) label(ctx context.Context) context.Context {
	ctx = pprof.WithLabels(ctx, pprof.Labels(labelKey, k.labelValue()))
	pprof.SetGoroutineLabels(ctx)
	return ctx
}

// unlabel removes all labels from the calling goroutine.
func unlabel() { pprof.SetGoroutineLabels(context.Background()) }

func (k *Kernel) checkGoroutines() {
	k.t.Helper()
	var left []string
	if k.until(func() bool { left = leak.Labelled(labelKey, k.labelValue()); return len(left) == 0 }) {
		return
	}
	for _, stack := range left {
		k.t.Errorf("goroutine still running after %v:\n%s", k.opts.Timeout, stack)
	}
}
