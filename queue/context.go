package queue

import (
	"context"
	"errors"
	"fmt"
)

// endOf returns why ctx has ended, nil if it has not: its cause, as an error that
// also matches ctx.Err(). So the error of a call that was canceled matches
// context.Canceled, whatever the cause is.
func endOf(ctx context.Context) error {
	err := ctx.Err()
	if err == nil {
		return nil
	}
	cause := context.Cause(ctx)
	if errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}

// causeOf returns why ctx has ended, nil for a plain cancellation. A signal that
// signal.NotifyContext waited for is one: since Go 1.26 it sets a cause, which
// matches context.Canceled, but not in the first releases of Go 1.26. The type of
// the cause has no other name.
func causeOf(ctx context.Context) error {
	cause := context.Cause(ctx)
	if errors.Is(cause, context.Canceled) || fmt.Sprintf("%T", cause) == "signal.signalError" {
		return nil
	}
	return cause
}
