package queue

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A release is the first two numbers of a kernel's release. The zero release
// is unknown.
type release struct{ major, minor int }

func (r release) known() bool { return r != release{} }

func (r release) atLeast(o release) bool {
	return r.major > o.major || r.major == o.major && r.minor >= o.minor
}

// parseRelease reads the start of something like "6.1.0-13-amd64".
func parseRelease(s string) (r release, ok bool) {
	n, _ := fmt.Sscanf(s, "%d.%d", &r.major, &r.minor)
	return r, n == 2
}

// features lists what came after nfnetlink_queue itself: fields of Config, and
// what needs none.
var features = []struct {
	name  string
	since release
}{
	{"FailOpen", release{3, 6}},
	{"Conntrack", release{3, 6}},
	{"GSO packets", release{3, 10}},
	{"Owner", release{3, 14}},
	{"SecurityContext", release{4, 3}},
	{"Packet.Priority", release{5, 18}},
	{"Packet.ClassID", release{6, 4}},
}

// kernel reads the release.
func (x *examination) kernel() {
	text, err := x.host.ReadFile("/proc/sys/kernel/osrelease")
	x.osrelease = strings.TrimSpace(string(text))
	r, ok := parseRelease(x.osrelease)
	if err == nil && !ok {
		err = fmt.Errorf("%w: release %q", ErrInvalid, x.osrelease)
	}
	if err != nil {
		x.unseen(AboutKernel, err, "The kernel's release cannot be seen")
		return
	}
	x.release = r
	x.say(Good, AboutKernel, "This is Linux %s", x.osrelease)
}

// abilities tells what nfnetlink_queue of this release can do.
func (x *examination) abilities() {
	var can []string
	for _, f := range features {
		if x.release.atLeast(f.since) {
			can = append(can, f.name)
		}
	}
	if len(can) > 0 {
		x.say(Good, AboutKernel, "Its nfnetlink_queue knows %s", strings.Join(can, ", "))
	}
}

// lacks reports whether the release is known to be too old for a feature.
func (x *examination) lacks(name string) bool {
	for _, f := range features {
		if f.name == name {
			return x.release.known() && !x.release.atLeast(f.since)
		}
	}
	return false
}

// capNetAdmin is the number of CAP_NET_ADMIN.
const capNetAdmin = 12

// effective reports whether the process holds a capability in its own user
// namespace. known is false if that cannot be seen.
func (x *examination) effective(capability uint) (held, known bool) {
	text, err := x.host.ReadFile("/proc/self/status")
	if err != nil {
		return false, false
	}
	for line := range bytes.Lines(text) {
		if value, ok := bytes.CutPrefix(line, []byte("CapEff:")); ok {
			set, err := strconv.ParseUint(string(bytes.TrimSpace(value)), 16, 64)
			return set>>capability&1 != 0, err == nil
		}
	}
	return false, false
}

// installed reports whether the kernel has a module, built in or to be loaded.
// The lists name its file.
func (x *examination) installed(module string) (bool, error) {
	dir := "/lib/modules/" + x.osrelease + "/"
	file := []byte("/" + module + ".ko")
	builtin, err := x.host.ReadFile(dir + "modules.builtin")
	loadable, lerr := x.host.ReadFile(dir + "modules.dep")
	if bytes.Contains(builtin, file) || bytes.Contains(loadable, file) {
		return true, nil
	}
	return false, errors.Join(err, lerr)
}
