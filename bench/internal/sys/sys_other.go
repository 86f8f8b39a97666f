//go:build !linux

package sys

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
)

var errUnsupported = fmt.Errorf("bench: not on %s/%s: %w", runtime.GOOS, runtime.GOARCH, errors.ErrUnsupported)

func cpus() ([]int, error)                       { return nil, errUnsupported }
func startOn([]int, *exec.Cmd) error             { return errUnsupported }
func pollable(uintptr, string) (*os.File, error) { return nil, errUnsupported }
func accountOf(int) (Account, error)             { return Account{}, errUnsupported }
func enterNamespace(*os.File) error              { return errUnsupported }
func kernelRelease() (string, error)             { return "", errUnsupported }
