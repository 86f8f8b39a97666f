package replace

import (
	"testing"

	"github.com/ipqueue/ipqueue/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m) }

func TestTryLeavesNothing(t *testing.T) {
	testutil.RequireKernel(t)
	testutil.CheckLeaks(t)
	first := Try(t)
	if second := Try(t); (first == nil) != (second == nil) {
		t.Errorf("Try = %v, and then %v", first, second)
	}
}
