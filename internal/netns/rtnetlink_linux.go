package netns

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/jsimonetti/rtnetlink/v2"
	"github.com/mdlayher/netlink"
)

// route calls f with a connection to the namespace's rtnetlink.
func (n *Namespace) route(f func(*rtnetlink.Conn) error) error {
	conn, err := rtnetlink.Dial(&netlink.Config{NetNS: n.FD()})
	if err != nil {
		return err
	}
	defer conn.Close()
	return f(conn)
}

// open returns a descriptor of the namespace that the caller closes.
func (n *Namespace) open() (*os.File, error) {
	if n.file == nil {
		return os.Open("/proc/self/ns/net")
	}
	return os.Open(fmt.Sprintf("/proc/self/fd/%d", n.FD()))
}

// ignoreUnreachable turns the error that there is no route into nil.
func ignoreUnreachable(err error) error {
	if errors.Is(err, syscall.ENETUNREACH) {
		return nil
	}
	return err
}
