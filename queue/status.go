package queue

import (
	"bytes"
	"errors"
	"sync"

	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/wire"
)

// A statusReader reads the kernel's status file through the queue's socket.
type statusReader struct {
	sock sock.Socket

	mu  sync.Mutex // guards buf, and reading
	buf []byte     // allocated by the first read
}

const (
	// statusSize is the number of bytes to read at a time: the whole file of
	// ip_queue, or about 150 rows of nfnetlink_queue.
	statusSize = 8 << 10
	// rowTries is the number of times that the file is searched for a row.
	rowTries = 10
)

var errNoRow = errors.New("the kernel no longer has the queue")

// row returns the row of a queue of nfnetlink_queue, or errNoRow. The kernel
// returns one page of the file at a time, and finds the next page by counting
// rows. If an earlier row is removed between two pages, it skips one
// (fs/seq_file.c, seq_read_iter). So row searches the file several times before
// it returns errNoRow.
func (f *statusReader) row(number uint16) (row wire.NFQStatus, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for range rowTries {
		found := false
		err = f.pieces(func(lines []byte) (done bool, err error) {
			row, found, err = wire.ParseNFQStatus(lines, number)
			return found, err
		})
		if found || err != nil {
			return row, err
		}
	}
	return row, errNoRow
}

// ipq returns the content of the status file of ip_queue, which fits in one
// read.
func (f *statusReader) ipq() (s wire.IPQStatus, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	err = f.pieces(func(lines []byte) (done bool, err error) {
		s, err = wire.ParseIPQStatus(lines)
		return true, err
	})
	return s, err
}

// missing returns why the file cannot be read, or nil.
func (f *statusReader) missing() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.pieces(func([]byte) (done bool, err error) { return true, nil })
}

// pieces calls parse with whole lines of the file, until parse is done or
// fails, or the file ends.
func (f *statusReader) pieces(parse func(lines []byte) (done bool, err error)) error {
	if f.buf == nil {
		f.buf = make([]byte, statusSize)
	}
	kept := 0 // bytes at the start of buf, of a line whose end was not read
	for offset := int64(0); ; {
		n, err := f.sock.Status(f.buf[kept:], offset)
		if err != nil {
			return err
		}
		offset += int64(n)
		text, last := f.buf[:kept+n], kept+n < len(f.buf)
		lines := text
		if !last {
			lines = text[:bytes.LastIndexByte(text, '\n')+1]
		}
		if done, err := parse(lines); done || last || err != nil {
			return err
		}
		kept = copy(f.buf, text[len(lines):])
		if kept == len(f.buf) {
			return bytes.ErrTooLarge
		}
	}
}
