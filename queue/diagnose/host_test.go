package diagnose_test

import (
	"context"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/queue"
	"github.com/ipqueue/ipqueue/queue/diagnose"
)

// A host is a simulated kernel with further files. A file that is nil may not be
// read.
type host struct {
	*kerneltest.Kernel
	files map[string][]byte
}

// newHost returns a kernel of that release, 6.18.3 for "", as root sees it.
func newHost(o kerneltest.Options, release string) *host {
	if release == "" {
		release = "6.18.3"
	}
	return &host{kerneltest.New(o), map[string][]byte{
		"/proc/sys/kernel/osrelease": []byte(release + "\n"),
		"/proc/self/status":          []byte("Name:\tx\nCapEff:\t000001ffffffffff\n"),
	}}
}

func (h *host) ReadFile(name string) ([]byte, error) {
	text, ok := h.files[name]
	switch {
	case !ok:
		return h.Kernel.ReadFile(name)
	case text == nil:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return text, nil
}

func (h *host) Glob(pattern string) (names []string) {
	for name := range h.files {
		if ok, _ := path.Match(pattern, name); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// ctx is the context of a program on this host.
func (h *host) ctx() context.Context { return sock.WithKernel(context.Background(), h) }

// run examines the host.
func (h *host) run(c queue.Config) diagnose.Report { return diagnose.Run(h.ctx(), c) }

// open opens a queue of the host until the test is done.
func (h *host) open(t *testing.T, c queue.Config) *queue.Queue {
	t.Helper()
	q, err := queue.Open(h.ctx(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	return q
}

// wantFinding fails the test unless there is a finding with the given severity and
// subject whose sentence contains all words.
func wantFinding(t testing.TB, r diagnose.Report, s diagnose.Severity, about diagnose.Subject, words ...string) {
	t.Helper()
	for _, f := range r.Findings {
		text := f.String()
		lacks := func(word string) bool { return !strings.Contains(text, word) }
		if f.Severity == s && f.Subject == about && !slices.ContainsFunc(words, lacks) {
			return
		}
	}
	t.Errorf("no finding %v about %v with the words %q:", s, about, words)
	for _, f := range r.Findings {
		t.Logf("%v about %v: %v", f.Severity, f.Subject, f)
	}
}

// wantAbout fails the test unless there are exactly n findings about the subject.
func wantAbout(t testing.TB, r diagnose.Report, about diagnose.Subject, n int) {
	t.Helper()
	var list []string
	for _, f := range r.Findings {
		if f.Subject == about {
			list = append(list, f.String())
		}
	}
	if len(list) != n {
		t.Errorf("%d findings about %v, want %d: %q", len(list), about, n, list)
	}
}
