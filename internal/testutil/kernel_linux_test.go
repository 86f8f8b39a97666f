package testutil

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/ipqueue/ipqueue/internal/netns"
)

// RequireKernel leaves nothing behind, and what it found is true: a packet can
// be queued.
func TestRequireKernel(t *testing.T) {
	RequireKernel(t)
	CheckLeaks(t)
	f := fake(func(t testing.TB) { RequireKernel(t) })
	if len(f.failures)+len(f.skips) > 0 {
		t.Errorf("second RequireKernel: failures %q, skips %q", f.failures, f.skips)
	}
	table, err := NewNamespace(t).AddTable(netns.IPv6, "test")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := table.AddChain(netns.Output, 0, netns.Rule{Action: netns.Enqueue}); err != nil {
		t.Error(err)
	}
}

// Where the kernel refuses namespaces, tests are skipped with the reason.
func TestRequireKernelSkips(t *testing.T) {
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestRequireKernel$", "-test.v")
	cmd.Env = append(os.Environ(), "IPQUEUE_NETNS=refused 1 28")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v; output:\n%s", err, out)
	}
	for _, want := range []string{"--- SKIP: TestRequireKernel ", "operation not permitted", "no space left on device", "WARNING: 1 TESTS"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("output lacks %q:\n%s", want, out)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, test := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{syscall.EPERM, true},
		{syscall.EOPNOTSUPP, true},
		{syscall.EPROTONOSUPPORT, true},
		{errors.ErrUnsupported, true},
		{syscall.EINVAL, false}, // more likely our mistake
		{syscall.EEXIST, false},
	} {
		if got := refused(fmt.Errorf("wrapped: %w", test.err)); got != test.want {
			t.Errorf("refused(%v) = %t, want %t", test.err, got, test.want)
		}
	}
}
