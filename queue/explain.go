package queue

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/ipqueue/ipqueue/internal/sock"
)

// This file contains the texts of all errors of Open. Each is one line: the
// name of the queue, the text of the errno or of a sentinel error, and what to
// do.

// An explained error adds what to do to an error.
type explained struct {
	err    error
	advice string
}

func explain(err error, format string, args ...any) error {
	return &explained{err, fmt.Sprintf(format, args...)}
}

// Error leaves out the system call and the file of an errno.
func (e *explained) Error() string {
	cause := e.err
	var number errno
	var file *fs.PathError
	switch {
	case errors.As(e.err, &number):
		cause = number
	case errors.As(e.err, &file):
		cause = file.Err
	}
	return cause.Error() + ": " + e.advice
}

func (e *explained) Unwrap() error { return e.err }

// Errors in a Config.

func oneOf[T comparable](name string, v T, allowed ...T) error {
	var list []string
	for _, a := range allowed {
		if v == a {
			return nil
		}
		list = append(list, fmt.Sprint(a))
	}
	last := len(list) - 1
	return fmt.Errorf("%w: Config.%s must be %s or %s, not %v",
		ErrInvalid, name, strings.Join(list[:last], ", "), list[last], v)
}

func dropOrAccept(name string, a Action) error {
	if a == 0 {
		return nil
	}
	return oneOf(name, a, Drop, Accept)
}

func notNegative[T int | time.Duration](name string, v T) error {
	if v >= 0 {
		return nil
	}
	return fmt.Errorf("%w: Config.%s must not be negative, but is %v", ErrInvalid, name, v)
}

func atMost(name string, v, most int) error {
	if v > most {
		return fmt.Errorf("%w: Config.%s must be at most %d, not %d", ErrInvalid, name, most, v)
	}
	return nil
}

// refuse returns an error with the name of the first of fields that is set, or
// nil.
func refuse(queue string, fields []field) error {
	for _, f := range fields {
		if f.set {
			return fmt.Errorf("%w: leave out Config.%s, which %s does not support", ErrUnsupported, f.name, queue)
		}
	}
	return nil
}

// unsupportedFlag returns the error for a field whose flag the kernel does not
// support.
func unsupportedFlag(f configFlag) error {
	return explain(fmt.Errorf("%w: %w", ErrUnsupported, eopnotsupp), "Config.%s needs %s", f.name, f.needs)
}

// Errors of opening a socket.

func explainSocket(c *Config, err error) error {
	switch {
	case errors.Is(err, sock.ErrUnsupported):
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	case errors.Is(err, sock.ErrNetNS):
		return explainNetNS(c, err)
	case errors.Is(err, eafnosupport):
		return explain(err, "allow the program AF_NETLINK (systemd: RestrictAddressFamilies)")
	case errors.Is(err, fs.ErrPermission):
		return explain(err, "allow the program netlink sockets (its seccomp filter or security module forbids them)")
	case errors.Is(err, emfile), errors.Is(err, enfile):
		return explain(err, "raise the limit of open files (ulimit -n): a queue takes up to 4")
	case errors.Is(err, eaddrinuse):
		return explain(err, "try again: every netlink port tried is taken")
	}
	return err
}

// explainNetNS explains an error of setns, which requires CAP_SYS_ADMIN twice:
// in the caller's user namespace, and in the one that owns the network
// namespace.
func explainNetNS(c *Config, err error) error {
	switch {
	case errors.Is(err, eperm):
		return explain(err, "Config.NetNS needs CAP_SYS_ADMIN, here and in the namespace (run as root)")
	case errors.Is(err, einval):
		return explain(err, "set Config.NetNS to an open /run/netns/NAME or /proc/PID/ns/net: %d is another file", c.NetNS)
	case errors.Is(err, ebadf):
		return explain(err, "set Config.NetNS to an open descriptor: %d is not one", c.NetNS)
	}
	return explain(err, "Config.NetNS %d cannot be entered", c.NetNS)
}

// Errors of binding a queue.

func explainPrivilege(err error) error {
	return explain(err, "needs CAP_NET_ADMIN (run as root, or setcap cap_net_admin+ep PROGRAM)")
}

// explainHandler explains that ip_queue handles the packets of the family.
func explainHandler(f Family, err error) error {
	name := (&ipqueue{family: f}).name()
	return explain(err, "%s has all %v packets: set Config.Backend to IPQueue, or rmmod %s", name, f, name)
}

// errForeignNamespace means that the queue can get no packets.
var errForeignNamespace = fmt.Errorf("%w: run in the initial network namespace: Linux before 3.10 queues packets nowhere else", ErrUnsupported)

// explainLength explains that the machine's queue length could not be set.
func explainLength(file string, err error) error {
	return explain(err, "Config.QueueLength sets %s, which requires root: leave it out", file)
}

// explainWatch explains that network interfaces cannot be watched. It maps nil
// to nil.
func explainWatch(err error) error {
	if err == nil {
		return nil
	}
	return explain(fmt.Errorf("%w: %w", ErrUnsupported, err),
		"Config.WatchDevices needs Linux 4.9 and, in another network namespace, CAP_SYS_ADMIN")
}

// explainVerdictEPERM explains why EPERM for a verdict ends the stream.
func explainVerdictEPERM(err error) error {
	return explain(err, "verdicts need CAP_NET_ADMIN, which the program no longer has, or the queue has another owner")
}

// explainStatus explains why Stats contains no counters of the kernel.
func explainStatus(err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return explain(err, "the counters require root, group root (systemd: SupplementaryGroups=root) or CAP_DAC_READ_SEARCH")
	case errors.Is(err, fs.ErrNotExist):
		return explain(err, "the counters require /proc, without subset=pid (systemd: ProcSubset=all)")
	}
	return err
}

// portOwner returns a description of a netlink port and the process that owns
// it, if that can be seen, and whether it is this process.
func (q *binding) portOwner(protocol int, port uint32) (owner string, self bool) {
	o := sock.OwnerOf(q.host, q.cfg.NetNS, protocol, port)
	switch {
	case o.Self:
		return fmt.Sprintf("this program (netlink port %d)", port), true
	case o.Nobody:
		return fmt.Sprintf("netlink port %d", port), false
	case o.Process == 0:
		return fmt.Sprintf("a program that cannot be seen from here (netlink port %d)", port), false
	}
	return fmt.Sprintf("%s (process %d, netlink port %d)", o.Name, o.Process, port), false
}
