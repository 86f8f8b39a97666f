package queuetest

import (
	"bytes"
	"context"
	"fmt"
	"runtime/pprof"
	"strings"
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
	if k.until(func() bool { left = k.goroutines(); return len(left) == 0 }) {
		return
	}
	for _, stack := range left {
		k.t.Errorf("goroutines left after %v:\n%s", k.opts.Timeout, stack)
	}
}

// goroutines returns the stacks of those that have the label. A profile of
// this kind has a paragraph for each stack, which shows the labels.
func (k *Kernel) goroutines() (stacks []string) {
	var b bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&b, 1); err != nil {
		return nil // which a buffer does not give
	}
	for _, paragraph := range strings.Split(b.String(), "\n\n") {
		label := fmt.Sprintf("%q:%q", labelKey, k.labelValue())
		if strings.Contains(paragraph, label) && !strings.Contains(paragraph, "\tos/signal.loop+") {
			stacks = append(stacks, paragraph)
		}
	}
	return stacks
}
