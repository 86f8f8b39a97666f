package sys

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// maxCPUs is the number of processors for which a unix.CPUSet has room.
const maxCPUs = 1024

func cpus() ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, os.NewSyscallError("sched_getaffinity", err)
	}
	var list []int
	for cpu := range maxCPUs {
		if set.IsSet(cpu) {
			list = append(list, cpu)
		}
	}
	return list, nil
}

// startOn binds the calling thread while it starts the process: a process inherits
// the processors of the thread that creates it.
func startOn(cpus []int, cmd *exec.Cmd) error {
	var before, some unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return os.NewSyscallError("sched_getaffinity", err)
	}
	for _, cpu := range cpus {
		some.Set(cpu)
	}
	if err := unix.SchedSetaffinity(0, &some); err != nil {
		return os.NewSyscallError("sched_setaffinity", err)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	err := cmd.Start()
	return errors.Join(err, os.NewSyscallError("sched_setaffinity", unix.SchedSetaffinity(0, &before)))
}

// pollable returns a file for the descriptor that uses the runtime's poller.
func pollable(fd uintptr, name string) (*os.File, error) {
	if err := unix.SetNonblock(int(fd), true); err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(fd, name), nil
}

func accountOf(pid int) (Account, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Account{}, err
	}
	a, err := parseStat(string(text))
	if err != nil {
		return Account{}, err
	}
	if a.Memory, err = peakMemory(pid); err != nil {
		return a, err
	}
	var total unix.Timespec
	err = unix.ClockGettime(processClock(pid), &total)
	a.Total = time.Duration(total.Nano())
	return a, os.NewSyscallError("clock_gettime", err)
}

// peakMemory returns the largest resident memory of the process so far, in bytes
// (VmHWM, fs/proc/task_mmu.c).
func peakMemory(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	return parseStatus(string(text))
}

var errStatus = errors.New("sys: /proc/PID/status is not as expected")

func parseStatus(text string) (int64, error) {
	_, rest, found := strings.Cut(text, "\nVmHWM:")
	fields := strings.Fields(rest)
	if !found || len(fields) < 2 || fields[1] != "kB" {
		return 0, errStatus
	}
	n, err := strconv.ParseInt(fields[0], 10, 64)
	return n << 10, err
}

// processClock returns the number of the clock of a process's processor time
// (include/linux/posix-timers.h, make_process_cpuclock with CPUCLOCK_SCHED).
func processClock(pid int) int32 {
	const sched = 2
	return int32(^pid)<<3 | sched
}

var errStat = errors.New("sys: /proc/PID/stat is not as expected")

// parseStat finds utime and stime, the 14th and the 15th field. The second field, the
// name in parentheses, may contain any byte.
func parseStat(text string) (Account, error) {
	const utime, stime, tick = 14 - 3, 15 - 3, 10 * time.Millisecond
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) <= stime {
		return Account{}, errStat
	}
	user, err := strconv.ParseInt(fields[utime], 10, 64)
	system, err2 := strconv.ParseInt(fields[stime], 10, 64)
	return Account{User: time.Duration(user) * tick, System: time.Duration(system) * tick}, errors.Join(err, err2)
}

func enterNamespace(file *os.File) error {
	return os.NewSyscallError("setns", unix.Setns(int(file.Fd()), unix.CLONE_NEWNET))
}

func kernelRelease() (string, error) {
	var u unix.Utsname
	err := unix.Uname(&u)
	return unix.ByteSliceToString(u.Release[:]), os.NewSyscallError("uname", err)
}
