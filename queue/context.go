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

// causeOf returns why ctx ended, or nil for an ordinary cancellation. This
// includes the signals of signal.NotifyContext: since Go 1.26 they set a cause,
// which matches context.Canceled (in 1.26.0 to 1.26.2 it did not).
func causeOf(ctx context.Context) error {
	cause := context.Cause(ctx)
	if errors.Is(cause, context.Canceled) {
		return nil
	}
	return cause
}
