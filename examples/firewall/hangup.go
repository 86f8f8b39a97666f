//go:build !js

package main

import "syscall"

// hangup is the signal to read the policy again.
const hangup = syscall.SIGHUP
