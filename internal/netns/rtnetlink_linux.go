package netns

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/mdlayher/netlink"
)

// request sends a message to rtnetlink and returns the answers. The error
// unwraps to the errno.
func (n *Namespace) request(typ netlink.HeaderType, flags netlink.HeaderFlags, body []byte) ([]netlink.Message, error) {
	conn, err := netlink.Dial(syscall.NETLINK_ROUTE, &netlink.Config{NetNS: n.FD()})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.Execute(netlink.Message{
		Header: netlink.Header{Type: typ, Flags: flags | netlink.Request},
		Data:   body,
	})
}

// open returns a descriptor of the namespace that the caller closes.
func (n *Namespace) open() (*os.File, error) {
	if n.file == nil {
		return os.Open("/proc/self/ns/net")
	}
	return os.Open(fmt.Sprintf("/proc/self/fd/%d", n.FD()))
}

// ignoreUnreachable turns the answer that there is no route into nil.
func ignoreUnreachable(err error) error {
	if errors.Is(err, syscall.ENETUNREACH) {
		return nil
	}
	return err
}
