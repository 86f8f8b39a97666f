package kerneltest

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/ipqueue/ipqueue/internal/sock"
)

// The files under /proc that a Kernel has, each only with its module.
const (
	fileOwners    = "/proc/net/netfilter/nf_queue" // Linux before 3.8
	fileSockets   = "/proc/net/netlink"
	fileNFQ       = "/proc/net/netfilter/nfnetlink_queue"
	fileRelease   = "/proc/sys/kernel/osrelease"
	fileVersion   = "/proc/version"
	fileIPQ       = "/proc/net/ip_queue"
	fileIP6Q      = "/proc/net/ip6_queue"
	fileIPQLimit  = "/proc/sys/net/ipv4/ip_queue_maxlen"
	fileIP6QLimit = "/proc/sys/net/ipv6/ip6_queue_maxlen"
)

// ReadFile implements sock.Kernel.
func (k *Kernel) ReadFile(name string) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	text, err := k.text(name)
	if err != nil {
		return nil, err
	}
	return []byte(text), nil
}

// Glob implements sock.Kernel. It finds nothing: no pattern in use matches a file
// that ReadFile knows.
func (k *Kernel) Glob(string) []string { return nil }

// WriteFile implements sock.Kernel.
func (k *Kernel) WriteFile(name string, data []byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	q := k.limited(name)
	if q == nil {
		return k.openError(name)
	}
	if !k.privileged {
		return pathError(name, fs.ErrPermission)
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 32)
	if err != nil {
		return &fs.PathError{Op: "write", Path: name, Err: errInval}
	}
	q.maxLength = uint32(n)
	return nil
}

// Holder implements sock.Kernel. All sockets are of the process of the Options.
func (k *Kernel) Holder(protocol int, port uint32) (sock.Process, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.socket(protocol, port) == nil {
		return sock.Process{}, fs.ErrNotExist
	}
	return sock.Process{ID: int(k.opts.Process), Self: k.self, Exiting: k.faults.exiting}, nil
}

// openError returns the error of opening a file for writing.
func (k *Kernel) openError(name string) error {
	if _, err := k.text(name); err != nil {
		return err
	}
	return pathError(name, fs.ErrPermission)
}

func pathError(name string, err error) error {
	return &fs.PathError{Op: "open", Path: name, Err: err}
}

// limited returns the module whose limit the file contains.
func (k *Kernel) limited(name string) *ipq {
	switch name {
	case fileIPQLimit:
		return k.ipq(sock.ProtoFirewall)
	case fileIP6QLimit:
		return k.ipq(sock.ProtoIP6FW)
	default:
		return nil
	}
}

func (k *Kernel) ipq(protocol int) *ipq {
	q, _ := k.modules[protocol].(*ipq)
	return q
}

// text returns the content of a file.
func (k *Kernel) text(name string) (string, error) {
	if q := k.limited(name); q != nil {
		return fmt.Sprintln(int32(q.maxLength)), nil
	}
	switch name {
	case fileRelease:
		return fmt.Sprintf("%d.%d.0\n", k.opts.Linux.Major, k.opts.Linux.Minor), nil
	case fileVersion:
		return fmt.Sprintf("Linux version %d.%d.0\n", k.opts.Linux.Major, k.opts.Linux.Minor), nil
	case fileOwners:
		return k.owners()
	case fileSockets:
		return k.socketsText(), nil
	case fileNFQ:
		return k.nfqText()
	case fileIPQ:
		return ipqText(name, k.ipq(sock.ProtoFirewall), "Netlink")
	case fileIP6Q:
		return ipqText(name, k.ipq(sock.ProtoIP6FW), "Netfilter")
	default:
		return "", pathError(name, fs.ErrNotExist)
	}
}

// owners lists the module that handles each family (nf_queue.c, seq_show).
func (k *Kernel) owners() (string, error) {
	if !k.opts.Linux.bindsFamilies() || k.opts.OtherNamespace {
		return "", pathError(fileOwners, fs.ErrNotExist)
	}
	var b strings.Builder
	for f := range Family(families) {
		fmt.Fprintf(&b, "%2d %s\n", f, k.owner(f))
	}
	return b.String(), nil
}

func (k *Kernel) owner(f Family) string {
	switch m := k.handler(f).(type) {
	case *nfq:
		return "nf_queue"
	case *ipq:
		return map[Family]string{IPv4: "ip_queue", IPv6: "ip6_queue"}[m.family]
	default:
		return "NONE"
	}
}

// socketsText has one line for each socket (af_netlink.c, netlink_seq_show).
func (k *Kernel) socketsText() string {
	var b strings.Builder
	b.WriteString("sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n")
	for i, s := range k.sockets {
		fmt.Fprintf(&b, "%016x %-3d %-10d %08x %-8d %-8d %-5d %-8d %-8d %-8d\n",
			0, s.config.Protocol, s.port, 0, 0, 0, 0, 2, s.buffer.drops, i+1)
	}
	return b.String()
}

// nfqText has one line for each queue (nfnetlink_queue.c, seq_show). Only root may
// read the file.
func (k *Kernel) nfqText() (string, error) {
	q := k.nfq()
	switch {
	case q == nil || q.gone || q.absent || k.unheardOf():
		return "", pathError(fileNFQ, fs.ErrNotExist)
	case !k.privileged || k.opts.Ordinary:
		return "", pathError(fileNFQ, fs.ErrPermission)
	}
	var b strings.Builder
	for _, number := range slices.Sorted(maps.Keys(q.queues)) {
		i := q.queues[number]
		fmt.Fprintf(&b, "%5d %6d %5d %1d %5d %5d %5d %8d %2d\n", i.number, i.owner, i.waiting.len(),
			i.mode, i.copyRange, i.queueDrops, i.socketDrops, i.lastID, 1)
	}
	return b.String(), nil
}

// ipqText is /proc/net/ip_queue; the two families differ in one word
// (ip_queue_show).
func ipqText(name string, q *ipq, word string) (string, error) {
	if q == nil {
		return "", pathError(name, fs.ErrNotExist)
	}
	var b strings.Builder
	line := func(label string, v any) { fmt.Fprintf(&b, "%-18s: %d\n", label, v) }
	line("Peer PID", int32(q.peer))
	line("Copy mode", q.mode)
	line("Copy range", q.copyRange)
	line("Queue length", q.waiting.len())
	line("Queue max. length", q.maxLength)
	line("Queue dropped", q.queueDrops)
	line(word+" dropped", q.socketDrops)
	return b.String(), nil
}
