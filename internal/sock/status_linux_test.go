package sock

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/ipqueue/ipqueue/internal/testutil"
)

// A module that the socket's first request loads brings its file with it.
func TestStatusAppears(t *testing.T) {
	testutil.CheckLeaks(t)
	dir := t.TempDir()
	d, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := statusFile{name: "late", dir: d}
	b := make([]byte, 16)
	for range 2 {
		if n, err := s.readAt(b, 0); n != 0 || !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("read = %d, %v before there is a file, want fs.ErrNotExist", n, err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "late"), []byte("a row\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for offset, want := range []string{"a row\n", " row\n"} {
		if n, err := s.readAt(b, int64(offset)); string(b[:n]) != want || err != nil {
			t.Errorf("read from %d = %q, %v, want %q", offset, b[:n], err, want)
		}
	}
	if err := s.close(); err != nil {
		t.Error(err)
	}
}

// TestStatusAppearsInNamespace checks that the directory that is kept open is
// that of the thread's network namespace.
func TestStatusAppearsInNamespace(t *testing.T) {
	testutil.RequireKernel(t)
	var s statusFile
	err := testutil.NewNamespace(t).Do(func() error {
		s.init("netfilter/no-such-module")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if _, err := s.readAt(make([]byte, 1), 0); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("read = %v, want fs.ErrNotExist", err)
	}
	s.name = "nf_log" // every namespace has one of its own
	if n, err := s.readAt(make([]byte, 1), 0); n != 1 || err != nil {
		t.Errorf("read after it appeared = %d, %v, want 1", n, err)
	}
}

func TestStatusWithoutDirectory(t *testing.T) {
	var s statusFile
	s.init("no-such-directory/file")
	if _, err := s.readAt(make([]byte, 1), 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("read = %v, want fs.ErrNotExist", err)
	}
	if err := s.close(); err != nil {
		t.Error(err)
	}
}
