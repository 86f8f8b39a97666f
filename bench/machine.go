package main

import (
	"bytes"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/ipqueue/ipqueue/bench/internal/sys"
)

// thisMachine describes the machine and the version of the source.
func thisMachine() (machine, error) {
	release, err := sys.KernelRelease()
	if err != nil {
		return machine{}, err
	}
	m := machine{date: time.Now().UTC(), commit: commit()}
	m.facts = []fact{
		{"date", m.date.Format(time.RFC3339)},
		{"commit", m.commit},
		{"goos", runtime.GOOS},
		{"goarch", runtime.GOARCH},
		{"pkg", "github.com/ipqueue/ipqueue/bench"},
		{"cpu", cpuModel()},
		{"cpus", strconv.Itoa(runtime.NumCPU())},
		{"kernel", release},
		{"go", runtime.Version()},
	}
	return m, nil
}

// commit returns the name of the commit, as git describe does: with "-dirty" if
// files have changed.
func commit() string {
	out, err := exec.Command("git", "describe", "--always", "--dirty", "--exclude=*").Output()
	if err != nil {
		return "unknown"
	}
	return string(bytes.TrimSpace(out))
}

func cpuModel() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}
