package main

import (
	"os"
	"testing"

	"github.com/ipqueue/ipqueue/internal/testutil"
)

// TestMain lets the test binary run as the child as well.
func TestMain(m *testing.M) {
	if os.Getenv("GORACE") == "" {
		os.Setenv("GORACE", "atexit_sleep_ms=0") // otherwise each child ends a second late
	}
	if status, played := playRole(os.Args); played {
		os.Exit(status)
	}
	testutil.Main(m)
}
