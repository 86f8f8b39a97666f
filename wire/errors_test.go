package wire_test

import (
	"errors"
	"testing"

	"github.com/ipqueue/ipqueue/wire"
)

func TestError(t *testing.T) {
	tests := []struct {
		err  wire.Error
		want string
	}{
		{wire.Error{Message: "m", What: "w", Offset: 4, Want: 8, Got: 7, Err: wire.ErrLength}, "m: w at offset 4: bad length: want 8, got 7"},
		{wire.Error{Message: "m", What: "w", Err: wire.ErrValue}, "m: w at offset 0: bad value"},
	}
	for _, tt := range tests {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("Error() = %q, want %q", got, tt.want)
		}
	}
}

func TestErrorUnwrap(t *testing.T) {
	causes := []error{wire.ErrTruncated, wire.ErrLength, wire.ErrType, wire.ErrMissing, wire.ErrValue}
	for i, cause := range causes {
		var err error = &wire.Error{Err: cause}
		for j, other := range causes {
			if got, want := errors.Is(err, other), i == j; got != want {
				t.Errorf("errors.Is(%v, %v) = %v, want %v", err, other, got, want)
			}
		}
	}
}
