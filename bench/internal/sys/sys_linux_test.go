package sys

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestParseStatus(t *testing.T) {
	for text, want := range map[string]int64{
		"Name:\tx\nVmPeak:\t  900 kB\nVmHWM:\t   512 kB\nVmRSS:\t 300 kB\n": 512 << 10,
		"Name:\tVmHWM: 1 kB\n":     0, // a name may contain any text
		"Name:\tx\nVmHWM:\t1 MB\n": 0,
		"":                         0,
	} {
		if got, err := parseStatus(text); got != want || (err == nil) != (want > 0) {
			t.Errorf("parseStatus(%q) = %d, %v, want %d", text, got, err, want)
		}
	}
}

func TestStartOnBinds(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, err := CPUs()
	if err != nil {
		t.Fatal(err)
	}
	last := before[len(before)-1]
	var out strings.Builder
	cmd := exec.Command("cat", "/proc/self/status")
	cmd.Stdout = &out
	if err := StartOn([]int{last}, cmd); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(out.String(), "Cpus_allowed_list:")
	list, _, _ = strings.Cut(list, "\n")
	if got, want := strings.TrimSpace(list), strconv.Itoa(last); got != want {
		t.Errorf("the process may run on %q, want %q", got, want)
	}
	after, err := CPUs()
	if err != nil || len(after) != len(before) {
		t.Errorf("afterwards the thread may run on %v, %v, want %v", after, err, before)
	}
}

func TestAccountOfCountsAnotherProcess(t *testing.T) {
	cmd := exec.Command("sh", "-c", "while :; do :; done")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cmd.Process.Kill()
		cmd.Wait()
	}()
	deadline := time.Now().Add(20 * time.Second)
	for {
		a, err := AccountOf(cmd.Process.Pid)
		if err != nil {
			t.Fatal(err)
		}
		if a.Total > 20*time.Millisecond && a.User+a.System > 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("a busy loop has used %+v", a)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestPollableWaitsInThePoller(t *testing.T) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	f, err := pollable(uintptr(fds[0]), "pipe")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := os.NewFile(uintptr(fds[1]), "pipe")
	defer w.Close()
	// Only files that use the poller support deadlines.
	if err := f.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read from an empty pipe: %v", err)
	}
}

func TestParseStat(t *testing.T) {
	const tail = " R 1 2 3 4 5 6 7 8 9 10 250 75 0 0 20 0"
	for _, test := range []struct {
		text         string
		user, system time.Duration
		ok           bool
	}{
		{"12 (bench)" + tail, 2500 * time.Millisecond, 750 * time.Millisecond, true},
		{"12 (a) b) 9 9 (c)" + tail, 2500 * time.Millisecond, 750 * time.Millisecond, true},
		{"12 (bench) R 1 2", 0, 0, false},
		{"", 0, 0, false},
		{"12 (bench) R 1 2 3 4 5 6 7 8 9 10 x 75", 0, 750 * time.Millisecond, false},
	} {
		a, err := parseStat(test.text)
		if a.User != test.user || a.System != test.system || (err == nil) != test.ok {
			t.Errorf("parseStat(%q) = %+v, %v, want user %v, system %v", test.text, a, err, test.user, test.system)
		}
	}
}
