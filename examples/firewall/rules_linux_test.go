package main

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/ipqueue/ipqueue/internal/testutil"
)

// A form is one way to install the documented rules.
type form struct {
	name    string
	install func(t *testing.T) // removed at the end of the test
}

var forms = []form{
	{"iptables", func(t *testing.T) { installShell(t, "iptables", "ip6tables") }},
	{"iptables-legacy", func(t *testing.T) { installShell(t, "iptables-legacy", "ip6tables-legacy") }},
	{"nft", installNft},
}

// documented returns the lines of the package comment from the first to the
// last, which is the next one with the same indentation.
func documented(t *testing.T, first, last string) string {
	t.Helper()
	source, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	comment, _, _ := strings.Cut(string(source), "\npackage ")
	lines := regexp.MustCompile(`(?m)^//(\t|$)`).ReplaceAllString(comment, "")
	found := regexp.MustCompile(`(?ms)^` + regexp.QuoteMeta(first) + `.*?^` + last + `$`).FindString(lines)
	if found == "" {
		t.Fatalf("no lines from %q to %q in the package comment", first, last)
	}
	return found
}

// execute runs the text in a shell, which stops at the first failure.
func execute(t *testing.T, text string) error {
	t.Helper()
	out, err := exec.Command("/bin/sh", "-ec", text).CombinedOutput()
	if err != nil {
		t.Logf("%s\n%s", text, out)
	}
	return err
}

func requireProgram(t *testing.T, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			testutil.Lacks(t, testutil.Program(program), err)
		}
	}
}

func installShell(t *testing.T, four, six string) {
	requireProgram(t, four, six)
	for _, program := range []string{four, six} {
		// iptables-legacy needs modules and a lock file that only root can
		// provide.
		if err := execute(t, program+" --numeric --list"); err != nil {
			testutil.Lacks(t, testutil.IPTables, err)
		}
	}
	text := strings.Replace(documented(t, "for tables in iptables ip6tables; do", "done"), "iptables ip6tables", four+" "+six, 1)
	t.Cleanup(func() {
		undo := strings.NewReplacer("FOUR", four, "SIX", six).Replace(
			"for t in FOUR SIX; do $t -D INPUT -j queued; $t -D OUTPUT -j queued; $t -F queued; $t -X queued; $t -F accepted; $t -X accepted; done")
		if err := execute(t, undo); err != nil {
			t.Error(err)
		}
	})
	if err := execute(t, text); err != nil {
		t.Fatal(err)
	}
}

func installNft(t *testing.T) {
	requireProgram(t, "nft")
	probe := "nft add table inet probe; nft add chain inet probe c; "
	defer execute(t, "nft delete table inet probe")
	if err := execute(t, probe+"nft add rule inet probe c queue num 0"); err != nil {
		testutil.Lacks(t, testutil.NFTQueue, err)
	}
	nft := exec.Command("nft", "-f", "-")
	nft.Stdin = strings.NewReader(documented(t, "table inet firewall {", "}"))
	if out, err := nft.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Cleanup(func() {
		if err := execute(t, "nft delete table inet firewall"); err != nil {
			t.Error(err)
		}
	})
}

// notrack disables conntrack until the end of the test.
func notrack(t *testing.T) {
	t.Helper()
	requireProgram(t, "nft")
	t.Cleanup(func() { execute(t, "nft delete table inet untracked") })
	err := execute(t, `nft 'add table inet untracked
add chain inet untracked in { type filter hook prerouting priority raw; }
add chain inet untracked out { type filter hook output priority raw; }
add rule inet untracked in notrack
add rule inet untracked out notrack'`)
	if err != nil {
		testutil.Lacks(t, "untracked packets", err)
	}
}

// TestNftReadsRules checks the rules for nft as far as that is possible without
// nft_queue.
func TestNftReadsRules(t *testing.T) {
	testutil.RequireKernel(t) // nft reads the existing rules, which requires privilege
	requireProgram(t, "nft")
	text := strings.Replace(documented(t, "table inet firewall {", "}"), "queue num 0\n", "counter\n", 1)
	nft := exec.Command("nft", "-c", "-f", "-")
	nft.Stdin = strings.NewReader(text)
	if out, err := nft.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, text)
	}
}
