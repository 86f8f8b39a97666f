package diagnose_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"testing"

	"github.com/ipqueue/ipqueue/internal/testutil"
	"github.com/ipqueue/ipqueue/queue"
)

// serveVariable makes the test binary serve the queue of that number until its
// standard input ends.
const serveVariable = "DIAGNOSE_TEST_SERVE"

func TestMain(m *testing.M) {
	if number := os.Getenv(serveVariable); number != "" {
		if err := serve(number); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	testutil.Main(m)
}

func serve(number string) error {
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil {
		return err
	}
	q, err := queue.Open(context.Background(), queue.Config{Number: uint16(n)})
	if err != nil {
		return err
	}
	defer q.Close()
	_, err = io.ReadAll(os.Stdin)
	return err
}
