package cli

import (
	"os"

	"golang.org/x/sys/unix"
)

// columns returns the width of the terminal, 80 if it does not know, or 0 if f is
// no terminal.
func columns(f *os.File) int {
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	switch {
	case err != nil:
		return 0
	case size.Col == 0:
		return 80
	}
	return int(size.Col)
}
