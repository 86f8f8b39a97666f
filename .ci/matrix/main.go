// Matrix checks the results of tests on several kernels. It prints which tests ran on
// which kernel and which failed, and exits with status 1 if there is a problem. A
// skipped test is an assertion as well: that the system lacks the feature it names.
//
//	matrix [-v] [-whole] RELEASE.results...
//
// Each file holds the output of a virtual machine (see ../vm/init). The messages
// of its kernel are in RELEASE.console, in the same directory. With -whole, each test
// must have run on some kernel.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	verbose := flag.Bool("v", false, "print the output of all tests, not only of those that failed")
	whole := flag.Bool("whole", false, "each test must have run somewhere")
	flag.Parse()
	var runs []*run
	ok := true
	for _, name := range flag.Args() {
		base := strings.TrimSuffix(name, ".results")
		output, err := os.ReadFile(name)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		release := filepath.Base(base)
		list, err := parse(release, string(output))
		runs = append(runs, list...)
		if err != nil {
			fmt.Printf("Linux %s: %v; the end of its console:\n%s\n", release, err, tail(base+".console"))
			ok = false
		}
	}
	report(os.Stdout, runs, *verbose)
	complaints := judge(runs, *whole)
	for _, c := range complaints {
		fmt.Println(c)
	}
	if !ok || len(complaints) > 0 {
		os.Exit(1)
	}
}

// tail returns the last lines of a file.
func tail(name string) string {
	b, err := os.ReadFile(name)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-60):], "\n")
}
