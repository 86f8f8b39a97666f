package netns

// Enter puts the program into a private network namespace. With CAP_SYS_ADMIN it
// creates only a network namespace, otherwise a user namespace as well. Call Enter
// at the start of main or TestMain.
//
// The first call executes the program again inside the namespaces, with the same
// arguments, environment and standard files. It waits for that inner process and
// exits in the same way: with its status, or killed by the same signal. It passes
// on the signals HUP, INT, QUIT, TERM, USR1 and USR2, each exactly once. For this
// the inner process has its own process group, so it cannot read from a terminal.
// It is killed when the outer process dies. Descriptors above 2 are not inherited.
//
// In the inner process Enter prepares the namespace, as New does, and returns nil.
// It may be called again. Processes started there are inside the namespace as well.
//
// If the kernel refuses, the program stays in the network of the machine, and
// changes to the network affect the machine. The error then wraps the errnos: EPERM,
// or ENOSPC if the number of namespaces is limited. Enter records it in the
// environment, so that later calls, and processes started from this one, return it
// without trying again.
//
// Enter needs no privilege if unprivileged user namespaces are permitted (Linux
// 3.8). With privilege it creates no user namespace, because Linux 7.2 and later
// refuse to replace queued packets inside one.
func Enter() error { return enter() }

// Inside returns nil if Enter has put the process into a private network
// namespace. Otherwise it returns the reason.
func Inside() error { return inside() }
