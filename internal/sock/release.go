package sock

import "fmt"

// A Release is a version of Linux. The zero Release is an unknown version.
type Release struct{ Major, Minor int }

// Before reports whether the release is known and older than major.minor.
func (r Release) Before(major, minor int) bool {
	return r != Release{} && (r.Major < major || r.Major == major && r.Minor < minor)
}

// AtLeast reports whether the release is known and not older than major.minor.
func (r Release) AtLeast(major, minor int) bool {
	return r != Release{} && !r.Before(major, minor)
}

func (r Release) String() string { return fmt.Sprintf("Linux %d.%d", r.Major, r.Minor) }

// ParseRelease parses a version as uname prints it, for example
// "6.12.117+deb12-cloud-amd64".
func ParseRelease(text string) (r Release, ok bool) {
	if _, err := fmt.Sscanf(text, "%d.%d", &r.Major, &r.Minor); err != nil {
		return Release{}, false
	}
	return r, true
}

// ReleaseFile contains the release of the kernel. The host reads it even if
// /proc does not show it.
const ReleaseFile = "/proc/sys/kernel/osrelease"

// ReleaseOf returns the release of the kernel, or the zero Release if it is
// unknown.
func ReleaseOf(k Kernel) Release {
	text, err := k.ReadFile(ReleaseFile)
	if err != nil {
		return Release{}
	}
	r, _ := ParseRelease(string(text))
	return r
}

// DropsReplaced reports whether the kernel drops every packet in the socket's
// network namespace that a verdict replaces. Linux 7.2 and later do so, and
// still acknowledge the verdict, unless the initial user namespace owns the
// network namespace (net/netfilter/nfnetlink_queue.c, nfqnl_mangle).
func DropsReplaced(k Kernel, s Socket) bool {
	if !ReleaseOf(k).AtLeast(7, 2) {
		return false
	}
	initial, err := s.InitialUser()
	return err != nil || !initial
}
