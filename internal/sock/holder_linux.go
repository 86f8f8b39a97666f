package sock

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
)

// Holder implements Kernel. It finds the inode of the socket in
// /proc/net/netlink, and then a process in /proc that has a descriptor of it.
func (host) Holder(protocol int, port uint32) (Process, error) {
	f, err := openNet("netlink")
	if err != nil {
		return Process{}, err
	}
	defer f.Close()
	table, err := io.ReadAll(f)
	if err != nil {
		return Process{}, err
	}
	inode, ok := netlinkInode(table, protocol, port)
	if !ok {
		return Process{}, fmt.Errorf("sock: no netlink socket at port %d in this namespace: %w", port, fs.ErrNotExist)
	}
	return holderOf("socket:[" + inode + "]")
}

// netlinkInode finds a socket in the text of /proc/net/netlink. The columns are
// sk, Eth, Pid, Groups, Rmem, Wmem, Dump, Locks, Drops and Inode
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

// holderOf finds a process with a descriptor of the file, preferably one that
// is not exiting. Only root can see the descriptors of other users.
func holderOf(file string) (Process, error) {
	names, err := os.ReadDir("/proc")
	if err != nil {
		return Process{}, err
	}
	self, _ := os.Readlink("/proc/self")
	var found Process
	for _, name := range names {
		id, err := strconv.Atoi(name.Name())
		if err != nil || !holds("/proc/"+name.Name()+"/fd/", file) {
			continue
		}
		found = Process{ID: id, Self: name.Name() == self, Exiting: exiting("/proc/" + name.Name() + "/task/")}
		if !found.Exiting {
			break
		}
	}
	if found.ID == 0 {
		return found, fmt.Errorf("sock: no visible process holds %s: %w", file, fs.ErrPermission)
	}
	return found, nil
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

// exiting reports whether all threads of a process are exiting. The kernel
// frees the memory of a process before it closes its files (kernel/exit.c,
// do_exit), which takes about a second for ten gigabytes.
func exiting(tasks string) bool {
	threads, err := os.ReadDir(tasks)
	if err != nil {
		return true // it has exited
	}
	for _, t := range threads {
		stat, err := os.ReadFile(tasks + t.Name() + "/stat")
		if err == nil && !threadExits(stat) {
			return false
		}
	}
	return true
}

// threadExits parses /proc/PID/task/TID/stat. The name of the thread is in
// parentheses and may contain any byte. After it, the first column is the
// state, and the seventh contains the flags (fs/proc/array.c, do_task_stat).
func threadExits(stat []byte) bool {
	const pfExiting = 0x4 // PF_EXITING
	column := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(column) < 7 {
		return false
	}
	flags, err := strconv.ParseUint(string(column[6]), 10, 32)
	return err == nil && flags&pfExiting != 0
}
