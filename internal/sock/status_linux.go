package sock

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"sync"

	"golang.org/x/sys/unix"
)

// A statusFile is the status file of a kernel module, in the network namespace
// of the thread that calls init. The module may be loaded only by the socket's
// first request. Until then the directory is kept open. As soon as the file
// exists it is opened from there, by any thread.
type statusFile struct {
	mu   sync.Mutex // guards dir and file
	name string
	dir  *os.File // nil once file is open
	file *os.File
	err  error // of init
}

// init opens the file with that name below /proc/net.
func (s *statusFile) init(name string) {
	if name == "" {
		s.err = fs.ErrNotExist
		return
	}
	s.name = path.Base(name)
	if s.file, s.err = openNet(name); errors.Is(s.err, fs.ErrNotExist) {
		s.dir, s.err = openNet(path.Dir(name))
	}
}

// openNet opens a file of the calling thread's network namespace. Before Linux
// 3.17, /proc/thread-self did not exist, and only the namespace of the process
// could be seen.
func openNet(name string) (*os.File, error) {
	f, err := os.Open("/proc/thread-self/net/" + name)
	if errors.Is(err, fs.ErrNotExist) {
		if _, serr := os.Lstat("/proc/thread-self"); serr != nil {
			return os.Open("/proc/net/" + name)
		}
	}
	return f, err
}

func (s *statusFile) readAt(b []byte, offset int64) (int, error) {
	f, err := s.open()
	if err != nil {
		return 0, err
	}
	n, err := f.ReadAt(b, offset)
	if err == io.EOF {
		err = nil
	}
	return n, err
}

// open returns the file. It opens the file once.
func (s *statusFile) open() (*os.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil || s.file != nil {
		return s.file, s.err
	}
	fd, err := unix.Openat(int(s.dir.Fd()), s.name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: s.dir.Name() + "/" + s.name, Err: err}
	}
	s.file = os.NewFile(uintptr(fd), s.dir.Name()+"/"+s.name)
	err = s.dir.Close()
	s.dir = nil
	return s.file, err
}

func (s *statusFile) close() (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range []*os.File{s.file, s.dir} {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
	}
	return err
}
