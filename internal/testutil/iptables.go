package testutil

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// FeedAsDocumented executes the iptables and ip6tables commands in a file's package
// comment, in the private network of the test, and undoes them at its end. It skips
// the test if these programs are not installed.
func FeedAsDocumented(t testing.TB, file string) {
	t.Helper()
	RequireKernel(t)
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	commands := commandsOf(string(source))
	if len(commands) == 0 {
		t.Fatalf("no iptables command in %s", file)
	}
	for _, command := range commands {
		iptables(t, command)
		t.Cleanup(func() {
			if err := undo(command).Run(); err != nil {
				t.Errorf("undo %q: %v", command, err)
			}
		})
	}
}

// commandsOf returns the words of the commands in the comment before the package
// clause, without the comments that follow them.
func commandsOf(source string) (commands [][]string) {
	comment, _, _ := strings.Cut(source, "\npackage ")
	for _, line := range regexp.MustCompile(`(?m)^//\t(ip6?tables .*)$`).FindAllStringSubmatch(comment, -1) {
		command, _, _ := strings.Cut(line[1], "#")
		commands = append(commands, strings.Fields(command))
	}
	return commands
}

func iptables(t testing.TB, command []string) {
	t.Helper()
	if _, err := exec.LookPath(command[0]); err != nil {
		Lacks(t, IPTables, err)
	}
	out, err := exec.Command(command[0], command[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v\n%s", command, err, out)
	}
}

// undo deletes the rule that the command appends or inserts.
func undo(command []string) *exec.Cmd {
	text := strings.NewReplacer(" -A ", " -D ", " -I ", " -D ").Replace(strings.Join(command, " "))
	words := strings.Fields(text)
	return exec.Command(words[0], words[1:]...)
}
