package netns_test

import (
	"os"
	"testing"

	"github.com/ipqueue/ipqueue/internal/testutil"
)

// TestMain runs the tests or, in a process that a test starts, one of the
// helpers.
func TestMain(m *testing.M) {
	if helper, ok := helpers[os.Getenv(helperVariable)]; ok {
		helper()
		os.Exit(0)
	}
	testutil.Main(m)
}
