//go:build !linux

package rawip

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
)

var errUnsupported = fmt.Errorf("rawip: not on %s/%s: %w", runtime.GOOS, runtime.GOARCH, errors.ErrUnsupported)

func open(uint32) (*Socket, error)              { return nil, errUnsupported }
func (s *Socket) send([]byte, netip.Addr) error { return errUnsupported }
func (s *Socket) close() error                  { return errUnsupported }
