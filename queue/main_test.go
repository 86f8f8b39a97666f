package queue_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"github.com/ipqueue/ipqueue/internal/testutil"
	"github.com/ipqueue/ipqueue/queue"
)

// patience is how long a test waits for what must come. Nothing is tested by
// how long it takes.
const patience = 20 * time.Second

// TestMain runs the tests or, in a process that a test starts, one of the
// helpers.
func TestMain(m *testing.M) {
	if helper, ok := helpers[os.Getenv(helperVariable)]; ok {
		helper()
		return
	}
	if hasIPQueue() {
		os.Exit(m.Run()) // where it is served: see TestKernelIPQueue
	}
	testutil.Main(m)
}

// helpers are what a process that a test starts may run.
var helpers = map[string]func(){"own": own}

// helperVariable names the helper that a process is to run.
const helperVariable = "IPQUEUE_TEST_HELPER"

// ownNumber is the queue that the helper owns.
const ownNumber = 7

// own holds a queue until its standard input ends.
func own() {
	q, err := queue.Open(context.Background(), queue.Config{Number: ownNumber})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
	_ = q.Close()
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
