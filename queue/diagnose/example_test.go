package diagnose_test

import (
	"context"
	"fmt"

	"github.com/ipqueue/ipqueue/queue"
	"github.com/ipqueue/ipqueue/queue/diagnose"
)

// A program that gets no packets can show its user why.
func ExampleRun() {
	report := diagnose.Run(context.Background(), queue.Config{Number: 5})
	for _, f := range report.Findings {
		if f.Severity >= diagnose.Warning {
			fmt.Println(f)
		}
	}
}
