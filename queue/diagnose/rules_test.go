package diagnose_test

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/queue"
	"github.com/ipqueue/ipqueue/queue/diagnose"
)

// rule returns a rule of inet t c that sends packets to the given queues.
func rule(numbers ...uint16) diagnose.Rule {
	return diagnose.Rule{Family: "inet", Table: "t", Chain: "c", Handle: 9, Numbers: numbers}
}

// runWithRules examines queue 5 of a kernel with rules.
func runWithRules(h *host, list ...diagnose.Rule) diagnose.Report {
	return diagnose.Run(diagnose.WithRules(h.ctx(), list, nil), queue.Config{Number: 5})
}

// Only queue 8 is bound.
func TestRunRules(t *testing.T) {
	with := func(r diagnose.Rule, change func(*diagnose.Rule)) diagnose.Rule {
		change(&r)
		return r
	}
	bypass := func(r *diagnose.Rule) { r.Bypass = true }
	for _, tt := range []struct {
		name  string
		rule  diagnose.Rule
		want  diagnose.Severity
		words string
		fed   bool
	}{
		{"own queue", rule(5), diagnose.Fault, "inet t c handle 9, queue 5 drops packets, because no program has bound queue 5", true},
		{"own queue among others", rule(3, 4, 5, 6), diagnose.Fault, "because no program has bound queues 3-6;", true},
		{"another queue", rule(6), diagnose.Warning, "because no program has bound queue 6;", false},
		{"another queue that is bound", rule(8), diagnose.Note, "sends packets to another queue", false},
		{"bypass", with(rule(5), bypass), diagnose.Note, "queue 5 bypass lets packets pass, because no program has bound queue 5", true},
		{"the last queues", rule(65534, 65535), diagnose.Warning, "no program has bound queues 65534-65535;", false},
		{"numgen", with(rule(5, 6), func(r *diagnose.Rule) { r.By = "numgen" }), diagnose.Fault, "queue 5-6 by numgen drops packets", true},
		{"an unknown map", with(rule(), func(r *diagnose.Rule) { r.By = "map" }), diagnose.Note, "queue by map may send packets to this queue", true},
		{"dormant table", with(rule(5), func(r *diagnose.Rule) { r.Idle = diagnose.DormantTable }), diagnose.Note, "receives no packets, because its table is dormant", false},
		{"unreachable chain", with(rule(5), func(r *diagnose.Rule) { r.Idle = diagnose.UnreachableChain }), diagnose.Note, "receives no packets, because no base chain leads to its chain", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHost(kerneltest.Options{}, "")
			h.open(t, queue.Config{Number: 8})
			r := runWithRules(h, tt.rule)
			wantFinding(t, r, tt.want, diagnose.AboutRules, tt.words)
			missing := strings.Contains(findings(r), "No rule sends packets to queue 5")
			if missing == tt.fed {
				t.Errorf("no rule is found: %t, want %t", missing, !tt.fed)
			}
		})
	}
}

// If all queues of a rule are bound, the rule is Good; otherwise it is a Warning.
func TestRunRulesOfBoundQueue(t *testing.T) {
	h := newHost(kerneltest.Options{}, "")
	h.open(t, queue.Config{Number: 5})
	wantFinding(t, runWithRules(h, rule(5)), diagnose.Good, diagnose.AboutRules, "queue 5 sends packets to this queue.")
	wantFinding(t, runWithRules(h, rule(5, 6)), diagnose.Warning, diagnose.AboutRules, "drops packets, because no program has bound queue 6;")
	counted := rule(5)
	counted.Counted, counted.Packets = true, 7
	wantFinding(t, runWithRules(h, counted), diagnose.Good, diagnose.AboutRules, "(7 packets so far)")
}

func TestRunRulesHidden(t *testing.T) {
	h := newHost(kerneltest.Options{}, "")
	r := diagnose.Run(diagnose.WithRules(h.ctx(), nil, fs.ErrPermission), queue.Config{})
	wantFinding(t, r, diagnose.Unseen, diagnose.AboutRules, "Cannot read the rules of nftables", "run as root")
	wantFinding(t, r, diagnose.Unseen, diagnose.AboutRules, "No rule that could be read")
}

// The advice to add a rule works as written: it queues no packets that keep a machine
// reachable, and creates everything that it needs.
func TestRunAdvisesRule(t *testing.T) {
	const dir = "/lib/modules/6.18.3/"
	h := newHost(kerneltest.Options{}, "")
	wantFinding(t, h.run(queue.Config{Number: 5}), diagnose.Note, diagnose.AboutRules, "no nftables")
	const legacy = "iptables -A OUTPUT -p udp --dport 53 -j NFQUEUE --queue-num 5 --queue-bypass"
	wantFinding(t, h.run(queue.Config{Number: 5}), diagnose.Fault, diagnose.AboutRules, "No rule sends packets to queue 5", legacy)
	wantFinding(t, runWithRules(h), diagnose.Fault, diagnose.AboutRules, legacy) // nft_queue is not known to be there
	h.files[dir+"modules.builtin"] = []byte("kernel/net/netfilter/nft_queue.ko\n")
	wantFinding(t, runWithRules(h), diagnose.Fault, diagnose.AboutRules,
		"nft 'add table inet example; add chain inet example output", "udp dport 53 counter queue num 5 bypass'")
}

// findings returns the text of the report.
func findings(r diagnose.Report) string {
	var b strings.Builder
	for _, f := range r.Findings {
		b.WriteString(f.String() + "\n")
	}
	return b.String()
}
