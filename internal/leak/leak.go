// Package leak finds goroutines and descriptors that are left over: all that a
// process holds more than before (Snapshot), or the goroutines with a label
// (Labelled), which tells tests apart that run in parallel.
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

// A Snapshot is what the process holds: goroutines and descriptors.
type Snapshot struct {
	goroutines  map[string]string // stack by "goroutine 7"
	descriptors map[string]string // target by number
}

// Take returns what the process holds now. Descriptors are known on
// Linux only.
func Take() Snapshot {
	return Snapshot{goroutines(), descriptors()}
}

// Leaks returns a description of each goroutine, with its stack, and of each
// descriptor that was not there when the snapshot was taken. It waits for them
// to go away, for at most the given time.
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

// added describes what is in now and not in s.
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

// goroutines returns the stacks of all goroutines but the caller's and those
// that the standard library keeps for ever.
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
		return nil // which a buffer does not give
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

// allStacks is what runtime.Stack has to say, the caller's goroutine first.
func allStacks() string {
	for b := make([]byte, 64<<10); ; b = make([]byte, 2*len(b)) {
		if n := runtime.Stack(b, true); n < len(b) {
			return string(bytes.TrimSpace(b[:n]))
		}
	}
}

// permanent reports whether the goroutine is one that a first use of the
// standard library starts and nothing ends.
func permanent(stack string) bool {
	for _, function := range []string{
		"os/signal.loop",
		"runtime.ensureSigM.func1",
		"runtime.handleEvent", // js
	} {
		// As runtime.Stack and as the profile shows a call.
		if strings.Contains(stack, "\n"+function+"(") || strings.Contains(stack, "\t"+function+"+") {
			return true
		}
	}
	return false
}

// descriptors returns what each open descriptor refers to. Those of the
// runtime's poller, made at the first use of the network, do not count.
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
