//go:build !linux

package load

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
)

var errUnsupported = fmt.Errorf("load: not on %s/%s: %w", runtime.GOOS, runtime.GOARCH, errors.ErrUnsupported)

type batch struct{}

func newBatch(syscall.Conn, []byte) (*batch, error) { return nil, errUnsupported }
func (*batch) send() (int, error)                   { return 0, errUnsupported }

func segments(syscall.Conn, int) bool { return false }

func stream(context.Context, *os.File, *Meter) error { return errUnsupported }
func oneByOne(context.Context, Spec, *Meter) error   { return errUnsupported }
