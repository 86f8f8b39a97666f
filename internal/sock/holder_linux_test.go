package sock

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
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
		if got, err := Host().Holder(unix.NETLINK_NETFILTER, s.Port()); got != (Process{ID: os.Getpid(), Self: true}) || err != nil {
			t.Errorf("Holder of port %d = %+v, %v, want this process, %d, alive", s.Port(), got, err, os.Getpid())
		}
		if got, err := Host().Holder(unix.NETLINK_CRYPTO, s.Port()); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Holder of the port in another protocol = %+v, %v, want fs.ErrNotExist", got, err)
		}
	}
}

func TestHolderOf(t *testing.T) {
	if got, err := holderOf("socket:[0]"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("holderOf what nobody in sight has = %+v, %v, want fs.ErrPermission", got, err)
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

// TestExiting distinguishes a process that exits from one that lives. The child
// is a zombie until the test waits for it.
func TestExiting(t *testing.T) {
	tasks := func(id int) string { return fmt.Sprintf("/proc/%d/task/", id) }
	if exiting(tasks(os.Getpid())) {
		t.Error("this process is said to exit")
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^$")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	testutil.Await(t, "the child exits", func() bool { return exiting(tasks(cmd.Process.Pid)) })
	if err := cmd.Wait(); err == nil {
		t.Error("the child was not killed")
	}
	if !exiting(tasks(cmd.Process.Pid)) {
		t.Error("a process that has gone is said to live")
	}
}

func TestThreadExits(t *testing.T) {
	for stat, want := range map[string]bool{
		"7 (sh) R 1 7 7 0 -1 4194304 91 0":             false,
		"7 (sh) R 1 7 7 0 -1 4194308 91 0":             true,
		"7 (a) b) 4 (c) S 1 7 7 34816 7 4194308 91 0":  true,
		"7 (4 4 4 4 4 4 4) S 1 7 7 34816 7 1077936128": false,
		"7 (sh) Z 1 7 7 0 -1":                          false,
		"":                                             false,
	} {
		if got := threadExits([]byte(stat)); got != want {
			t.Errorf("%q: %t, want %t", stat, got, want)
		}
	}
}
