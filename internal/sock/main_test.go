package sock

import (
	"testing"
	"time"

	"github.com/ipqueue/ipqueue/internal/testutil"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

func TestMain(m *testing.M) { testutil.Main(m) }
