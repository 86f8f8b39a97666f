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
	buf []byte     // made when it is first needed
}

const (
	// statusSize is how much is read at a time: the whole file of ip_queue, or
	// about 150 rows of nfnetlink_queue.
	statusSize = 8 << 10
	// rowTries is how often a row is looked for.
	rowTries = 10
)

var errNoRow = errors.New("the kernel no longer has such a queue")

// row returns the row of a queue of nfnetlink_queue, or errNoRow. The kernel
// gives a page of the file at a time and finds the next one by counting rows, so
// that a row is passed over when one before it goes away meanwhile
// (fs/seq_file.c, seq_read_iter). So the file is read again before a row is
// held to be missing.
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

// ipq returns the content of the status file of ip_queue, which is one piece.
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

// pieces calls parse with whole lines of the file until that is done or has an
// error, or the file ends.
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
