// Package leak finds leaked goroutines and descriptors. A Snapshot finds those of
// the whole process that did not exist before. Labelled finds goroutines by a
// profiler label, which distinguishes tests that run in parallel.
package leak

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"time"
)

// A Snapshot contains the goroutines and descriptors of the process.
type Snapshot struct {
	goroutines  map[string]string // stack by "goroutine 7"
	descriptors map[string]string // target by number
}

// Take returns a Snapshot of the process. It contains descriptors on Linux only.
func Take() Snapshot {
	return Snapshot{goroutines(), descriptors()}
}

// Leaks returns a description of each goroutine, with its stack, and of each
// descriptor that did not exist when the snapshot was taken. It waits at most the
// given time for them to end.
func (s Snapshot) Leaks(within time.Duration) []string {
	deadline := time.Now().Add(within)
	for pause := time.Millisecond; ; pause *= 2 {
		leaks := s.added(Take())
		if len(leaks) == 0 || time.Now().After(deadline) {
			return leaks
		}
		time.Sleep(min(pause, 100*time.Millisecond))
	}
}

// added describes the goroutines and descriptors that are in now but not in s.
func (s Snapshot) added(now Snapshot) []string {
	var list []string
	for id, stack := range now.goroutines {
		if _, ok := s.goroutines[id]; !ok {
			list = append(list, stack)
		}
	}
	for fd, target := range now.descriptors {
		if s.descriptors[fd] != target {
			list = append(list, fmt.Sprintf("descriptor %s of %s", fd, target))
		}
	}
	return list
}

// goroutines returns the stacks of all goroutines except that of the caller and
// those of the standard library that never end.
func goroutines() map[string]string {
	stacks := make(map[string]string)
	for _, stack := range strings.Split(allStacks(), "\n\n")[1:] {
		if id, _, ok := strings.Cut(stack, " ["); ok && !permanent(stack) {
			stacks[id] = stack
		}
	}
	return stacks
}

// Labelled returns the stacks of the goroutines that have the profiler label,
// which a goroutine inherits from the one that starts it.
func Labelled(key, value string) []string {
	var b bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&b, 1); err != nil {
		return nil // does not happen with a buffer
	}
	var stacks []string
	label := fmt.Sprintf("%q:%q", key, value)
	// A profile of this kind has a paragraph for each stack, which shows the labels.
	for _, stack := range strings.Split(b.String(), "\n\n") {
		if strings.Contains(stack, label) && !permanent(stack) {
			stacks = append(stacks, stack)
		}
	}
	return stacks
}

// allStacks returns the result of runtime.Stack, starting with the caller's
// goroutine.
func allStacks() string {
	for b := make([]byte, 64<<10); ; b = make([]byte, 2*len(b)) {
		if n := runtime.Stack(b, true); n < len(b) {
			return string(bytes.TrimSpace(b[:n]))
		}
	}
}

// permanent reports whether the goroutine belongs to a part of the standard
// library that starts it at the first use and never ends it.
func permanent(stack string) bool {
	for _, function := range []string{
		"os/signal.loop",
		"runtime.ensureSigM.func1",
		"runtime.handleEvent", // js
	} {
		// The two forms of a call, in runtime.Stack and in the profile.
		if strings.Contains(stack, "\n"+function+"(") || strings.Contains(stack, "\t"+function+"+") {
			return true
		}
	}
	return false
}

// descriptors returns the target of each open descriptor. It leaves out those of
// the runtime's poller, which are opened at the first use of the network.
func descriptors() map[string]string {
	const dir = "/proc/self/fd/"
	open := make(map[string]string)
	entries, _ := os.ReadDir(dir) // nothing, off Linux
	for _, e := range entries {
		target, err := os.Readlink(dir + e.Name())
		if err == nil && target != "anon_inode:[eventpoll]" && target != "anon_inode:[eventfd]" {
			open[e.Name()] = target
		}
	}
	return open
}
