package testutil

import (
	"context"
	"errors"
	"testing"
)

func TestBackground(t *testing.T) {
	for _, test := range []struct {
		err      error
		failures int
	}{{nil, 0}, {errors.New("broken"), 1}} {
		ended := false
		f := fake(func(t testing.TB) {
			Background(t, func(ctx context.Context) error {
				<-ctx.Done()
				ended = true
				return test.err
			})
		})
		if !ended || len(f.failures) != test.failures {
			t.Errorf("%v: ended %t, failures %q, want %d of them after the end", test.err, ended, f.failures, test.failures)
		}
	}
}
