//go:build !linux

package rawip

import (
	"errors"
	"testing"
)

func TestUnsupported(t *testing.T) {
	if _, err := Open(0); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Open = %v, want ErrUnsupported", err)
	}
}
