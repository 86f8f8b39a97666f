package diagnose

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/ipqueue/ipqueue/internal/sock"
)

// A release is the first two numbers of a kernel's release. The zero release
// is unknown.
type release struct{ major, minor int }

func (r release) known() bool { return r != release{} }

func (r release) atLeast(o release) bool {
	return r.major > o.major || r.major == o.major && r.minor >= o.minor
}

// before reports whether the release is known, and older.
func (r release) before(o release) bool { return r.known() && !r.atLeast(o) }

func (r release) String() string { return fmt.Sprintf("Linux %d.%d", r.major, r.minor) }

// parseRelease reads the start of something like "6.1.0-13-amd64".
func parseRelease(s string) (r release, ok bool) {
	n, _ := fmt.Sscanf(s, "%d.%d", &r.major, &r.minor)
	return r, n == 2
}

// kernel reads the release.
func (x *examination) kernel() {
	text, err := x.host.ReadFile(sock.ReleaseFile)
	x.osrelease = strings.TrimSpace(string(text))
	r, ok := parseRelease(x.osrelease)
	if err == nil && !ok {
		err = fmt.Errorf("release %q", x.osrelease)
	}
	if err != nil {
		x.unseen(AboutKernel, err, "Cannot determine the kernel's release")
		return
	}
	x.release = r
	x.say(Good, AboutKernel, "This is Linux %s", x.osrelease)
}

// hidden reports whether err is the result of a /proc that shows only processes,
// or nothing. A file of a complete /proc is missing if its module is not loaded.
func (x *examination) hidden(err error) bool {
	if !errors.Is(err, fs.ErrNotExist) {
		return false
	}
	_, err = x.host.ReadFile("/proc/version")
	return errors.Is(err, fs.ErrNotExist)
}

// showProc is the advice if /proc is hidden.
const showProc = "mount /proc, without subset=pid (systemd: ProcSubset=all)"

// capNetAdmin is the number of CAP_NET_ADMIN.
const capNetAdmin = 12

// effective reports whether the process holds a capability in its own user
// namespace. known is false if that cannot be seen.
func (x *examination) effective(capability uint) (held, known bool) {
	value, ok := x.field("/proc/self/status", "CapEff:")
	set, err := strconv.ParseUint(value, 16, 64)
	return set>>capability&1 != 0, ok && err == nil
}

// field returns the text after a label in a file.
func (x *examination) field(file, label string) (value string, ok bool) {
	text, _ := x.host.ReadFile(file)
	for line := range bytes.Lines(text) {
		if value, ok := bytes.CutPrefix(line, []byte(label)); ok {
			return string(bytes.TrimSpace(value)), true
		}
	}
	return "", false
}

// stopped reports whether a process is stopped, by a signal or a debugger
// (Documentation/filesystems/proc.rst, State).
func (x *examination) stopped(process int) bool {
	if process == 0 {
		return false
	}
	state, _ := x.field(fmt.Sprintf("/proc/%d/status", process), "State:")
	return strings.HasPrefix(state, "T") || strings.HasPrefix(state, "t")
}
