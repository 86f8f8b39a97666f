//go:build !plan9

package queue_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/queue"
	"github.com/ipqueue/ipqueue/wire"
)

// maxErrorText is the maximum length of an error of Open: two lines of a
// terminal.
const maxErrorText = 160

// wantOpenText checks the text of an error of Open, and what all such errors
// have in common.
func wantOpenText(t *testing.T, err error, want string) {
	t.Helper()
	var op *queue.OpError
	if !errors.As(err, &op) || op.Op != "open" || op.Queue == "" || !strings.HasPrefix(err.Error(), op.Queue+": ") {
		t.Errorf("%#v is no OpError of open that begins with its queue", err)
		return
	}
	if strings.ContainsAny(err.Error(), "\n\r\x1b") || len(err.Error()) > maxErrorText {
		t.Errorf("%q has %d bytes, want one line of at most %d", err, len(err.Error()), maxErrorText)
	}
	if runtime.GOOS == "linux" && err.Error() != want { // elsewhere errnos have other words
		t.Errorf("got  %s\nwant %s", err, want)
	}
}

// TestOpenErrorTexts makes Open fail in every way that a kernel can cause.
func TestOpenErrorTexts(t *testing.T) {
	nfqueue, ipq, ip6q := queue.Config{Backend: queue.NFQueue}, queue.Config{Backend: queue.IPQueue}, queue.Config{Family: queue.IPv6}
	const privilege = "needs CAP_NET_ADMIN (run as root, or setcap cap_net_admin+ep PROGRAM)"
	const privilegeIPQ = "needs CAP_NET_ADMIN in the initial user namespace (run as root, or setcap cap_net_admin+ep PROGRAM)"
	const loadNFQ = "load module nfnetlink_queue (kernel option CONFIG_NETFILTER_NETLINK_QUEUE)"
	const loadIPQ = "use nfnetlink_queue (Config.Backend), or load ip_queue, which only Linux up to 3.4 has"
	old := func(o kerneltest.Options) kerneltest.Options {
		o.Linux = kerneltest.Version{Major: 3, Minor: 4}
		return o
	}
	for name, tt := range map[string]struct {
		o    kerneltest.Options
		c    queue.Config
		is   error
		want string
	}{
		"no privilege":                {kerneltest.Options{Unprivileged: true}, queue.Config{}, syscall.EPERM, "queue 0: operation not permitted: " + privilege},
		"no privilege, ip_queue":      {kerneltest.Options{Unprivileged: true, Modules: hasIPQ}, queue.Config{}, fs.ErrPermission, "ip_queue: operation not permitted: " + privilegeIPQ},
		"no privilege, ip6_queue":     {kerneltest.Options{Unprivileged: true, Modules: hasIP6Q}, ip6q, fs.ErrPermission, "ip6_queue: operation not permitted: " + privilegeIPQ},
		"no queue at all":             {kerneltest.Options{Modules: kerneltest.NoQueue}, queue.Config{Number: 7}, syscall.EPROTONOSUPPORT, "queue 7: protocol not supported: " + loadNFQ},
		"no ip_queue":                 {kerneltest.Options{}, ipq, syscall.EPROTONOSUPPORT, "ip_queue: protocol not supported: " + loadIPQ},
		"nfnetlink_queue has IPv4":    {old(kerneltest.Options{}), ipq, syscall.EPROTONOSUPPORT, "ip_queue: protocol not supported: " + loadIPQ},
		"ip_queue, another namespace": {kerneltest.Options{Modules: hasIPQ, OtherNamespace: true}, ipq, syscall.ECONNREFUSED, "ip_queue: connection refused: load module ip_queue: it is not loaded, or this is not the initial network namespace"},
		"another namespace":           {old(kerneltest.Options{OtherNamespace: true}), queue.Config{}, queue.ErrUnsupported, "queue 0: not supported: run in the initial network namespace: Linux before 3.10 queues packets nowhere else"},
		"ip_queue has IPv4":           {kerneltest.Options{Modules: hasIPQ | hasNFQ}, nfqueue, syscall.EBUSY, "queue 0: device or resource busy: ip_queue has all IPv4 packets: set Config.Backend to IPQueue, or rmmod ip_queue"},
		"no watch":                    {kerneltest.Options{NoLinks: true}, queue.Config{WatchDevices: true}, queue.ErrUnsupported, "queue 0: operation not permitted: Config.WatchDevices needs Linux 4.9 and, in another network namespace, CAP_SYS_ADMIN"},
		"no conntrack":                {kerneltest.Options{NoConntrack: true}, queue.Config{Conntrack: true}, queue.ErrUnsupported, "queue 0: operation not supported: Config.Conntrack needs Linux 3.6 with nf_conntrack_netlink (CONFIG_NETFILTER_NETLINK_GLUE_CT)"},
		"no security marks":           {kerneltest.Options{NoSecmark: true}, queue.Config{SecurityContext: true}, syscall.EOPNOTSUPP, "queue 0: operation not supported: Config.SecurityContext needs Linux 4.3 with CONFIG_NETWORK_SECMARK"},
		"no owners":                   {kerneltest.Options{Linux: kerneltest.Version{Major: 3, Minor: 10}}, queue.Config{Owner: true}, errors.ErrUnsupported, "queue 0: operation not supported: Config.Owner needs Linux 3.14"},
		"no flags":                    {old(kerneltest.Options{}), queue.Config{FailOpen: true}, queue.ErrUnsupported, "queue 0: operation not supported: Config.FailOpen needs Linux 3.6"},
		"other word size":             {kerneltest.Options{Modules: hasIPQ, Layout: native64()}, queue.Config{WordSize: 32}, syscall.EINVAL, "ip_queue: invalid argument: leave out Config.WordSize: this kernel's words have another size"},
		"number":                      {kerneltest.Options{Modules: hasIPQ}, queue.Config{Number: 3}, queue.ErrUnsupported, "ip_queue: not supported: leave out Config.Number, which ip_queue does not support"},
		"family":                      {kerneltest.Options{}, ip6q, queue.ErrUnsupported, "queue 0: not supported: leave out Config.Family, which nfnetlink_queue does not support"},
		"word size":                   {kerneltest.Options{}, queue.Config{WordSize: 64}, queue.ErrUnsupported, "queue 0: not supported: leave out Config.WordSize, which nfnetlink_queue does not support"},
		"mode":                        {kerneltest.Options{}, queue.Config{Mode: -9}, fs.ErrInvalid, "queue 0: invalid argument: the Mode must be WholePacket, MetaOnly, DropAll or Range(n), not Mode(-9)"},
		"backend":                     {kerneltest.Options{}, queue.Config{Backend: 9}, queue.ErrInvalid, "queue 0: invalid argument: Config.Backend must be Auto, IPQueue or NFQueue, not Backend(9)"},
		"action":                      {kerneltest.Options{}, queue.Config{OnClose: queue.Requeue}, queue.ErrInvalid, "queue 0: invalid argument: Config.OnClose must be Drop or Accept, not Requeue"},
		"length":                      {kerneltest.Options{}, queue.Config{Backend: queue.IPQueue, QueueLength: -1}, queue.ErrInvalid, "ip_queue: invalid argument: Config.QueueLength must not be negative, but is -1"},
		"two mistakes":                {kerneltest.Options{}, queue.Config{Deadline: -1, NetNS: -1}, queue.ErrInvalid, "queue 0: invalid argument: Config.NetNS must not be negative, but is -1"},
	} {
		t.Run(name, func(t *testing.T) {
			err := openOn(t, tt.o, tt.c)
			if !errors.Is(err, tt.is) {
				t.Errorf("%v is not %v", err, tt.is)
			}
			wantOpenText(t, err, tt.want)
		})
	}
}

// native64 is the layout of a 64-bit kernel of the host's byte order.
func native64() kerneltest.Layout {
	if wire.Native().BigEndian() {
		return kerneltest.Big64
	}
	return kerneltest.Little64
}

// TestOpenSocketErrorTexts makes opening the socket fail.
func TestOpenSocketErrorTexts(t *testing.T) {
	setns := func(err error) error {
		return fmt.Errorf("%w: %w", sock.ErrNetNS, os.NewSyscallError("setns", err))
	}
	socket := func(err error) error { return os.NewSyscallError("socket", err) }
	for _, tt := range []struct {
		err  error
		want string
	}{
		{setns(syscall.EPERM), "operation not permitted: Config.NetNS needs CAP_SYS_ADMIN, here and in the namespace (run as root)"},
		{setns(syscall.EINVAL), "invalid argument: set Config.NetNS to an open /run/netns/NAME or /proc/PID/ns/net: 9 is another file"},
		{setns(syscall.EBADF), "bad file descriptor: set Config.NetNS to an open descriptor: 9 is not one"},
		{setns(syscall.ENOMEM), "cannot allocate memory: Config.NetNS 9 cannot be entered"},
		{socket(syscall.EAFNOSUPPORT), "address family not supported by protocol: allow the program AF_NETLINK (systemd: RestrictAddressFamilies)"},
		{socket(syscall.EPERM), "operation not permitted: allow the program netlink sockets (its seccomp filter or security module forbids them)"},
		{socket(syscall.EACCES), "permission denied: allow the program netlink sockets (its seccomp filter or security module forbids them)"},
		{socket(syscall.EMFILE), "too many open files: raise the limit of open files (ulimit -n): a queue takes up to 4"},
		{socket(syscall.ENFILE), "too many open files in system: raise the limit of open files (ulimit -n): a queue takes up to 4"},
		{os.NewSyscallError("bind", syscall.EADDRINUSE), "address already in use: try again: every netlink port tried is taken"},
		{sock.ErrUnsupported, "not supported: packet queues need Linux, and this is " + runtime.GOOS + "/" + runtime.GOARCH},
	} {
		for c, name := range map[*queue.Config]string{
			{Backend: queue.NFQueue}: "queue 0", {Backend: queue.IPQueue}: "ip_queue", {}: "queue 0", {Number: 3}: "queue 3",
		} {
			k := refusingKernel{kerneltest.New(kerneltest.Options{}), tt.err}
			c.NetNS = 9
			_, err := queue.Open(sock.WithKernel(t.Context(), k), *c)
			if !errors.Is(err, tt.err) {
				t.Errorf("%v is not %v", err, tt.err)
			}
			if tt.err == sock.ErrUnsupported && !errors.Is(err, queue.ErrUnsupported) {
				t.Errorf("%v is not ErrUnsupported", err)
			}
			wantOpenText(t, err, name+": "+tt.want)
		}
	}
}

// TestOpenTakenTexts names the owner, with the longest and strangest names.
func TestOpenTakenTexts(t *testing.T) {
	const stop = ": stop it or use another queue (Config.Number)"
	for comm, want := range map[string]string{
		"firewalld\n":         "firewalld",
		"fifteen letters\n":   "fifteen letters",
		"a\nb\x1b[2Jc\xff)\n": "a?b?[2Jc?)",
		"\n":                  "a program without a name",
	} {
		const longPID = 1<<22 - 1 // PID_MAX_LIMIT
		want := fmt.Sprintf("taken by %s (process %d, netlink port %d)", want, longPID, longPID)
		files := map[string][]byte{fmt.Sprintf("/proc/%d/comm", longPID): []byte(comm)}
		taken(t, kerneltest.Options{Process: longPID}, queue.Config{Number: math.MaxUint16}, files,
			"queue 65535: operation not permitted: "+want+stop)
		taken(t, kerneltest.Options{Process: longPID, Modules: hasIPQ}, queue.Config{}, files,
			"ip_queue: device or resource busy: "+want+": stop it, ip_queue serves one program at a time")
	}
	unseen := "queue 0: operation not permitted: taken by a program that cannot be seen from here (netlink port 4711)" + stop
	taken(t, kerneltest.Options{Process: 4711}, queue.Config{}, nil, unseen)
	// In another network namespace, process 4711 of the caller may be another program.
	taken(t, kerneltest.Options{Process: 4711}, queue.Config{NetNS: 3}, map[string][]byte{"/proc/4711/comm": []byte("innocent\n")}, unseen)
	taken(t, kerneltest.Options{Ordinary: true}, queue.Config{}, nil, "queue 0: operation not permitted: "+
		"taken by another socket (root sees whose): stop that program or use another queue (Config.Number)")
}

// TestOpenTwiceTexts opens a queue that the same program has open.
func TestOpenTwiceTexts(t *testing.T) {
	taken(t, kerneltest.Options{}, queue.Config{Number: math.MaxUint16}, nil,
		"queue 65535: operation not permitted: taken by this program (netlink port 4711): "+
			"close the other Queue or use another queue (Config.Number)")
	taken(t, kerneltest.Options{Modules: hasIPQ}, queue.Config{}, nil,
		"ip_queue: device or resource busy: taken by this program (netlink port 4711): "+
			"close the other Queue, ip_queue serves one at a time")
}

// taken opens a queue twice on a kernel with these files.
func taken(t *testing.T, o kerneltest.Options, c queue.Config, files map[string][]byte, want string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		k := &host{kerneltest.New(o), files}
		ctx := sock.WithKernel(t.Context(), k)
		owner, err := queue.Open(ctx, c)
		if err != nil {
			t.Fatal(err)
		}
		defer owner.Close()
		_, err = queue.Open(ctx, c)
		if !errors.Is(err, syscall.EPERM) && !errors.Is(err, syscall.EBUSY) {
			t.Errorf("%v is neither EPERM nor EBUSY", err)
		}
		wantOpenText(t, err, want)
	})
}

// TestOpenContextTexts opens with a context that has ended.
func TestOpenContextTexts(t *testing.T) {
	ctx, cancel := context.WithCancel(sock.WithKernel(t.Context(), kerneltest.New(kerneltest.Options{})))
	cancel()
	_, err := queue.Open(ctx, queue.Config{Number: 4})
	wantOpenText(t, err, "queue 4: context canceled")
}

// TestOpenLengthText sets the machine's limit without being root.
func TestOpenLengthText(t *testing.T) {
	k := readOnlyKernel{kerneltest.New(kerneltest.Options{Modules: hasIP6Q})}
	_, err := queue.Open(sock.WithKernel(t.Context(), k), queue.Config{Family: queue.IPv6, QueueLength: 9})
	if !errors.Is(err, fs.ErrPermission) {
		t.Errorf("%v is not fs.ErrPermission", err)
	}
	wantOpenText(t, err, "ip6_queue: permission denied: "+
		"Config.QueueLength sets /proc/sys/net/ipv6/ip6_queue_maxlen, which requires root: leave it out")
}

// A readOnlyKernel is a kernel whose files cannot be written.
type readOnlyKernel struct{ *kerneltest.Kernel }

func (readOnlyKernel) WriteFile(name string, _ []byte) error {
	return &fs.PathError{Op: "open", Path: name, Err: syscall.EACCES}
}

// TestErrorTexts checks the errors of other operations.
func TestErrorTexts(t *testing.T) {
	k := kerneltest.New(kerneltest.Options{Ordinary: true})
	q, err := queue.Open(sock.WithKernel(t.Context(), k), queue.Config{Number: 5, Deadline: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	k.Inject(kerneltest.Packet{Queue: 5, Payload: make([]byte, 20)})
	p := <-q.Packets()
	if err := p.Accept(); err != nil {
		t.Error(err)
	}
	for want, err := range map[string]error{
		"queue 5: drop: packet has already been decided": p.Drop(),
		"queue: accept: queue is closed":                 queue.Packet{}.Accept(),
		"queue 5: set mode: invalid argument: the Mode must be WholePacket, MetaOnly, DropAll or Range(n), not Mode(-8)":                       q.SetMode(t.Context(), -8),
		"queue 5: status: permission denied: the counters require root, group root (systemd: SupplementaryGroups=root) or CAP_DAC_READ_SEARCH": q.Stats().Kernel.Err,
	} {
		if err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}
