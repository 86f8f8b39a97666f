package testutil

import (
	"errors"
	"slices"
	"testing"
)

// .ci/matrix reads what Lacks says.
func TestLacks(t *testing.T) {
	f := fake(func(t testing.TB) {
		Lacks(t, BridgeQueues, errors.New("no such file"))
		t.Fatal("Lacks returned")
	})
	want := []string{"needs packet queues in family bridge: no such file"}
	if len(f.failures) > 0 || !slices.Equal(f.skips, want) {
		t.Errorf("failures %q, skips %q, want none and %q", f.failures, f.skips, want)
	}
}
