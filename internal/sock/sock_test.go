package sock

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
)

func TestErrUnsupported(t *testing.T) {
	if !errors.Is(ErrUnsupported, errors.ErrUnsupported) {
		t.Error("ErrUnsupported does not match errors.ErrUnsupported")
	}
	if want := runtime.GOOS + "/" + runtime.GOARCH; !strings.Contains(ErrUnsupported.Error(), want) {
		t.Errorf("ErrUnsupported is %q, want it to name %s", ErrUnsupported, want)
	}
}

// An anotherKernel is a kernel that differs from the running one by its type.
type anotherKernel struct{ Kernel }

func TestKernelFrom(t *testing.T) {
	ctx := context.Background()
	if got := KernelFrom(ctx); got != Host() {
		t.Errorf("KernelFrom of an empty context = %T, want the running kernel", got)
	}
	ctx = WithKernel(ctx, anotherKernel{})
	if got := KernelFrom(ctx); got != (anotherKernel{}) {
		t.Errorf("KernelFrom = %T, want the one given to WithKernel", got)
	}
}
