package sock

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// An Owner is the owner of a netlink port.
type Owner struct {
	Port    uint32
	Process int    // process id, 0 if it was not found
	Name    string // name of the process
	Nobody  bool   // no socket has the port
}

// OwnerOf finds the owner of a netlink port in the network namespace netns, a
// descriptor, or 0 for the caller's. In another namespace it guesses: the port
// of the first socket of a process is the process id, unless the process chose
// another one.
func OwnerOf(k Kernel, netns, protocol int, port uint32) Owner {
	o := Owner{Port: port}
	process := int64(port)
	if netns == 0 {
		p, err := k.Holder(protocol, port)
		if o.Nobody = errors.Is(err, fs.ErrNotExist); o.Nobody {
			return o
		}
		if err == nil {
			process = int64(p.ID)
		}
	}
	if comm, err := k.ReadFile(fmt.Sprintf("/proc/%d/comm", process)); err == nil {
		o.Process, o.Name = int(process), strings.TrimSpace(string(comm))
	}
	return o
}

// String returns the port and, if it was found, the process.
func (o Owner) String() string {
	if o.Process == 0 {
		return fmt.Sprintf("netlink port %d", o.Port)
	}
	return fmt.Sprintf("netlink port %d (process %d, %s)", o.Port, o.Process, o.Name)
}
