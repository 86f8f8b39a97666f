package main

import "syscall"

// hangup has no name in this system's package syscall.
const hangup = syscall.Signal(1)
