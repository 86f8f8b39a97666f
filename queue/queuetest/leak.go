package queuetest

import (
	"context"
	"fmt"
	"runtime/pprof"

	"github.com/ipqueue/ipqueue/internal/leak"
)

// labelKey is the label that the goroutines of a test have. They inherit it
// from the one that starts them, so that tests that run in parallel are told
// apart.
const labelKey = "queuetest"

func (k *Kernel) labelValue() string { return fmt.Sprintf("%p", k) }

// label labels the calling goroutine, and returns a context by which
// pprof.Do keeps the label.
func (k *Kernel) label(ctx context.Context) context.Context {
	ctx = pprof.WithLabels(ctx, pprof.Labels(labelKey, k.labelValue()))
	pprof.SetGoroutineLabels(ctx)
	return ctx
}

// unlabel takes all labels from the calling goroutine.
func unlabel() { pprof.SetGoroutineLabels(context.Background()) }

func (k *Kernel) checkGoroutines() {
	k.t.Helper()
	var left []string
	if k.until(func() bool { left = leak.Labelled(labelKey, k.labelValue()); return len(left) == 0 }) {
		return
	}
	for _, stack := range left {
		k.t.Errorf("goroutines left after %v:\n%s", k.opts.Timeout, stack)
	}
}
