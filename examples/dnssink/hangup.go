//go:build !js

package main

import "syscall"

// hangup is the signal to read the lists again.
const hangup = syscall.SIGHUP
