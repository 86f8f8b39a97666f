package netns

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"
)

func TestRefusalInMarker(t *testing.T) {
	want := newRefusal(
		&os.PathError{Op: "fork/exec", Err: syscall.ENOSPC},
		&os.PathError{Op: "fork/exec", Err: syscall.EPERM})
	got, ok := parseRefusal(want.marker())
	if !ok || got != want {
		t.Errorf("parseRefusal(%q) = %v, %t, want %v", want.marker(), got, ok, want)
	}
	for _, errno := range []error{syscall.ENOSPC, syscall.EPERM, os.ErrPermission} {
		if !errors.Is(fmt.Errorf("wrapped: %w", got), errno) {
			t.Errorf("%v does not match %v", got, errno)
		}
	}
	if errors.Is(got, syscall.EINVAL) {
		t.Errorf("%v matches EINVAL", got)
	}
}

func TestParseRefusalOfOther(t *testing.T) {
	for _, value := range []string{"", "net:[4026531840]", "refused", "refused 1", "refused x y"} {
		if r, ok := parseRefusal(value); ok {
			t.Errorf("parseRefusal(%q) = %v, want none", value, r)
		}
	}
}
