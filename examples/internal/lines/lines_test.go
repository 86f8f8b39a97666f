package lines

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
)

func TestPrinter(t *testing.T) {
	var b bytes.Buffer
	p := New(&b)
	want := ""
	for i := range backlog {
		p.Printf("line %d\n", i)
		want += fmt.Sprintf("line %d\n", i)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if got := b.String(); got != want {
		t.Errorf("printed %d bytes, want %d, all lines in order", len(got), len(want))
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestPrinterReportsError(t *testing.T) {
	full := errors.New("disk is full")
	p := New(failing{full})
	p.Printf("line\n")
	if err := p.Close(); err != full {
		t.Errorf("Close = %v, want %v", err, full)
	}
}

// TestPrinterStuck checks that a blocked writer delays nothing, except Close
// for a limited time.
func TestPrinterStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		p := New(w)
		p.Printf("being written\n")
		synctest.Wait() // the writer has taken this line
		for range backlog + 3 {
			p.Printf("waiting\n")
		}
		err := p.Close()
		if want := fmt.Sprint(1+backlog+3, " lines not printed"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Close = %v, want %s", err, want)
		}
		r.Close() // unblocks the writer
	})
}

// TestPrinterStuckWithOneLine checks that a line counts as not printed while
// the writer blocks in it.
func TestPrinterStuckWithOneLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		p := New(w)
		p.Printf("being written\n")
		if err := p.Close(); err == nil || !strings.Contains(err.Error(), "1 line not printed") {
			t.Errorf("Close = %v, want 1 line not printed", err)
		}
		r.Close()
	})
}

// TestPrinterSlow checks that Close reports discarded lines, even if the others
// were written.
func TestPrinterSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		p := New(w)
		p.Printf("written\n")
		synctest.Wait()
		for range backlog + 3 {
			p.Printf("waiting\n")
		}
		read := make(chan int64)
		go func() {
			n, _ := io.Copy(io.Discard, r)
			read <- n
		}()
		if err := p.Close(); err == nil || !strings.Contains(err.Error(), "3 lines") {
			t.Errorf("Close = %v, want 3 lines lost", err)
		}
		w.Close()
		if got, want := <-read, int64(8*(backlog+1)); got != want {
			t.Errorf("%d bytes written, want %d", got, want)
		}
	})
}
