package sock

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"unicode"
)

// An Owner is the owner of a netlink port.
type Owner struct {
	Port    uint32
	Process int    // process id, 0 if it was not found
	Name    string // printable name of the process
	Self    bool   // the process is the calling one
	Nobody  bool   // no socket has the port
}

// OwnerOf finds the owner of a netlink port in the network namespace netns, a
// descriptor, or 0 for the caller's. It finds no process for a port of another
// namespace. It does not take the port for a process id: that is what the
// kernel chooses for the first socket of a process, but it is the id in the PID
// namespace of that process, and a process may choose another port.
func OwnerOf(k Kernel, netns, protocol int, port uint32) Owner {
	o := Owner{Port: port}
	if netns != 0 {
		return o
	}
	p, err := k.Holder(protocol, port)
	if err != nil {
		o.Nobody = errors.Is(err, fs.ErrNotExist)
		return o
	}
	o.Self = p.Self
	if comm, err := k.ReadFile(fmt.Sprintf("/proc/%d/comm", p.ID)); err == nil {
		o.Process, o.Name = p.ID, printable(comm)
	}
	return o
}

// printable returns the name of a process, which may contain any bytes, as
// printable text.
func printable(comm []byte) string {
	name := strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, strings.ToValidUTF8(strings.TrimSpace(string(comm)), "?"))
	return cmp.Or(name, "a program without a name")
}

// String returns the port and, if it was found, the process.
func (o Owner) String() string {
	if o.Process == 0 {
		return fmt.Sprintf("netlink port %d", o.Port)
	}
	return fmt.Sprintf("netlink port %d (process %d, %s)", o.Port, o.Process, o.Name)
}
