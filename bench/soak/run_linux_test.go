package main

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ipqueue/ipqueue/internal/testutil"
)

func TestKernelSoak(t *testing.T) {
	testutil.RequireKernel(t)
	testutil.CheckLeaks(t)
	var out strings.Builder
	o := options{time: 3 * time.Second, round: time.Second, seed: uint64(time.Now().UnixNano())}
	if err := run(t.Context(), o, &out); err != nil {
		t.Fatal(err)
	}
	form := fmt.Sprintf(`^seed %d\n +time .*\n( +\d+s( +[\d.]+)+\n)+all counts agree\n$`, o.seed)
	if !regexp.MustCompile(form).MatchString(out.String()) {
		t.Errorf("output %q is not like %s", &out, form)
	}
}

// A run can be ended at any moment.
func TestKernelSoakInterrupted(t *testing.T) {
	testutil.RequireKernel(t)
	testutil.CheckLeaks(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	o := options{time: time.Hour, round: time.Hour}
	if err := run(ctx, o, t.Output()); err != nil {
		t.Error(err)
	}
}
