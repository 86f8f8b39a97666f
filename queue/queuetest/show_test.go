package queuetest_test

import (
	"fmt"

	"github.com/ipqueue/ipqueue/queue/queuetest"
)

// show runs a test and prints its failures as go test does. An example cannot
// use package testing for that.
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
