package diagnose_test

import (
	"context"
	"fmt"

	"github.com/ipqueue/ipqueue/queue"
	"github.com/ipqueue/ipqueue/queue/diagnose"
)

// Show why a queue receives no packets.
func ExampleRun() {
	report := diagnose.Run(context.Background(), queue.Config{Number: 5})
	for _, f := range report.Findings {
		if f.Severity >= diagnose.Warning {
			fmt.Println(f)
		}
	}
}
