package netns

// Enter puts the program into a network namespace of its own, which a process
// with CAP_SYS_ADMIN may make; for others it comes with a user namespace. Call
// Enter first thing in main or TestMain.
//
// The first time it executes the program again inside them, with the same
// arguments, environment and standard files, waits for that process and exits
// as it did: with its status, or killed by the same signal. The signals HUP,
// INT, QUIT, TERM, USR1 and USR2 are handed on, each exactly once. For that the
// inner process has a process group of its own, and so cannot read from a
// terminal. It is killed when the outer one dies. Descriptors above 2 are not
// passed.
//
// In the inner process Enter makes the namespace ready, as New does, and
// returns nil. It may be called again. Processes started from there are inside
// too.
//
// When the kernel refuses, the program stays where it was started, and what it
// does to the network it does to the machine. The error then unwraps to the
// errnos: EPERM, or ENOSPC where the number of namespaces is limited. It is
// remembered in the environment, so that later calls, and processes started
// from this one, return it without trying again.
//
// No privilege is needed where unprivileged user namespaces are permitted
// (Linux 3.8). With privilege there is no user namespace, because Linux 7.2 and
// later let no queued packet be replaced inside one.
func Enter() error { return enter() }

// Inside returns nil if Enter has put the process into a network namespace of
// its own. Otherwise the error says why it is not in one.
func Inside() error { return inside() }
