//go:build !linux

package netns

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/jsimonetti/rtnetlink/v2"
)

var errUnsupported = fmt.Errorf("netns: no network namespaces on %s/%s: %w",
	runtime.GOOS, runtime.GOARCH, errors.ErrUnsupported)

func enter() error  { return errUnsupported }
func inside() error { return errUnsupported }

func (n *Namespace) live(ready chan<- error, _ <-chan struct{}) { ready <- errUnsupported }
func (n *Namespace) open() (*os.File, error)                    { return nil, errUnsupported }
func (n *Namespace) setSysctl(string, string) error             { return errUnsupported }

func (n *Namespace) route(func(*rtnetlink.Conn) error) error { return errUnsupported }

func ignoreUnreachable(err error) error { return err }

func (t *Table) create() error                                   { return errUnsupported }
func (t *Table) remove() error                                   { return errUnsupported }
func (t *Table) addChain(chainType, Hook, int32) (*Chain, error) { return nil, errUnsupported }
func (c *Chain) add(Rule) error                                  { return errUnsupported }
func (c *Chain) counts() ([]uint64, error)                       { return nil, errUnsupported }
