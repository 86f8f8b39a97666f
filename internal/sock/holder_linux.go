package sock

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
)

// Holder finds the socket's inode in /proc/net/netlink, and the process that
// has a descriptor of it below /proc.
func (host) Holder(protocol int, port uint32) (int, error) {
	f, err := openStatus("netlink")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	table, err := io.ReadAll(f)
	if err != nil {
		return 0, err
	}
	inode, ok := netlinkInode(table, protocol, port)
	if !ok {
		return 0, fmt.Errorf("sock: no netlink socket at port %d in this namespace: %w", port, fs.ErrNotExist)
	}
	return holderOf("socket:[" + inode + "]")
}

// netlinkInode finds a socket in the text of /proc/net/netlink, whose columns
// are sk, Eth, Pid, Groups, Rmem, Wmem, Dump, Locks, Drops and Inode
// (net/netlink/af_netlink.c, netlink_seq_show).
func netlinkInode(table []byte, protocol int, port uint32) (inode string, ok bool) {
	for line := range bytes.Lines(table) {
		column := bytes.Fields(line)
		if len(column) < 10 || string(column[1]) != strconv.Itoa(protocol) {
			continue
		}
		if n, err := strconv.ParseInt(string(column[2]), 10, 64); err == nil && uint32(n) == port {
			return string(column[9]), true
		}
	}
	return "", false
}

// holderOf finds a process with a descriptor of the file. Those of other users
// are root's to see.
func holderOf(file string) (int, error) {
	processes, err := os.ReadDir("/proc")
	if err != nil {
		return 0, err
	}
	for _, p := range processes {
		if id, err := strconv.Atoi(p.Name()); err == nil && holds("/proc/"+p.Name()+"/fd/", file) {
			return id, nil
		}
	}
	return 0, fmt.Errorf("sock: no process in sight holds %s: %w", file, fs.ErrNotExist)
}

func holds(dir, file string) bool {
	descriptors, _ := os.ReadDir(dir)
	for _, d := range descriptors {
		if target, _ := os.Readlink(dir + d.Name()); target == file {
			return true
		}
	}
	return false
}
