package sock

import (
	"errors"
	"io/fs"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ipqueue/ipqueue/internal/testutil"
)

// Not only the first socket of a process, whose port is the process id, is
// found.
func TestHolder(t *testing.T) {
	testutil.CheckLeaks(t)
	for range 3 {
		s := openSocket(t, Config{Protocol: unix.NETLINK_NETFILTER})
		if got, err := Host().Holder(unix.NETLINK_NETFILTER, s.Port()); got != os.Getpid() || err != nil {
			t.Errorf("Holder of port %d = %d, %v, want this process, %d", s.Port(), got, err, os.Getpid())
		}
		if got, err := Host().Holder(unix.NETLINK_CRYPTO, s.Port()); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Holder of the port in another protocol = %d, %v, want fs.ErrNotExist", got, err)
		}
	}
}

func TestHolderOf(t *testing.T) {
	if got, err := holderOf("socket:[0]"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("holderOf what nobody has = %d, %v, want fs.ErrNotExist", got, err)
	}
}

func TestNetlinkInode(t *testing.T) {
	const table = "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n" +
		"000000007d23c9fc 0   812        00000000 0        0        0     2        0        4       \n" +
		"0000000010bb148f 12  812        00000000 0        0        0     2        0        557     \n" +
		"0000000010bb148f 12  4294963199 00000000 0        0        0     2        0        558     \n" +
		"f5d2c000 12  -4098 00000000 0 0 (null) 2 0 559\n" + // Linux 2.6
		"0000000010bb148f 12  7          00000000 0\n"
	for port, want := range map[uint32]string{812: "557", 4294963199: "558", 1<<32 - 4098: "559", 7: "", 4: ""} {
		if got, ok := netlinkInode([]byte(table), 12, port); got != want || ok != (want != "") {
			t.Errorf("port %d: %q, %t, want %q", port, got, ok, want)
		}
	}
}
