package queuetest_test

import (
	"fmt"

	"github.com/ipqueue/ipqueue/queue/queuetest"
)

// show runs a test as go test does, for examples: those of package testing
// cannot be run by one.
func show(test func(t queuetest.TB)) {
	failures := run(test)
	for _, text := range failures {
		fmt.Println(text)
	}
	if len(failures) > 0 {
		fmt.Println("FAIL")
		return
	}
	fmt.Println("PASS")
}
