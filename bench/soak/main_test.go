package main

import (
	"os"
	"testing"

	"github.com/ipqueue/ipqueue/internal/testutil"
)

// The test binary plays the role of the child too.
func TestMain(m *testing.M) {
	if os.Getenv("GORACE") == "" {
		os.Setenv("GORACE", "atexit_sleep_ms=0") // else each child ends a second late
	}
	if status, played := playRole(os.Args); played {
		os.Exit(status)
	}
	testutil.Main(m)
}
