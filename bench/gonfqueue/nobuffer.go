//go:build !linux

package main

import (
	"errors"

	"github.com/mdlayher/netlink"
)

func readBuffer(*netlink.Conn) (int, error) { return 0, errors.ErrUnsupported }
