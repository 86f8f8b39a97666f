package queue_test

import (
	"os"
	"testing"
	"time"

	"github.com/ipqueue/ipqueue/internal/testutil"
)

// patience is how long a test waits for what must come. Nothing is tested by
// how long it takes.
const patience = 20 * time.Second

// TestMain runs the tests or, in a process that a test starts, one of the
// helpers.
func TestMain(m *testing.M) {
	if helper, ok := helpers[os.Getenv(helperVariable)]; ok {
		os.Exit(help(helper))
	}
	if hasIPQueue() {
		os.Exit(m.Run()) // where it is served: see TestKernelIPQueue
	}
	testutil.Main(m)
}

// eventually waits until the condition holds.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v in vain until %s", patience, what)
		}
	}
}
