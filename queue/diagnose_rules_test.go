package queue_test

import (
	"testing"

	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/queue"
)

// Nobody has bound any queue.
func TestDiagnoseRules(t *testing.T) {
	const bypass = 1
	for _, tt := range []struct {
		name                string
		first, total, flags uint16
		want                queue.Severity
		words               string
	}{
		{"own queue", 5, 1, 0, queue.Fault, "inet t c handle 9, queue 5 drops packets, because nobody has bound queue 5"},
		{"own queue among others", 3, 4, 0, queue.Fault, "because nobody has bound queues 3-6;"},
		{"another queue", 6, 1, 0, queue.Warning, "because nobody has bound queue 6;"},
		{"bypass", 5, 1, bypass, queue.Note, "queue 5 bypass lets packets pass, because nobody has bound queue 5"},
		{"the last queues", 65534, 2, 0, queue.Warning, "nobody has bound queues 65534-65535;"},
		{"no rule for it", 6, 1, 0, queue.Fault, "No rule hands packets to queue 5"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := diagnoseRules([]sock.Datagram{datagram(ruleToQueue(9, tt.first, tt.total, tt.flags), done(0))})
			wantFinding(t, d, tt.want, queue.AboutRules, tt.words)
		})
	}
}
