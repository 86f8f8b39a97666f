package queue_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/queue"
)

// A rowsKernel is a kernel with another status file.
type rowsKernel struct {
	*kerneltest.Kernel
	text func(at int) string // as it is while it is read at that offset
}

func (k *rowsKernel) Open(c sock.Config) (sock.Socket, error) {
	s, err := k.Kernel.Open(c)
	return rowsSocket{s, k}, err
}

type rowsSocket struct {
	sock.Socket
	kernel *rowsKernel
}

// Status returns at most one page at a time, as the kernel does.
func (s rowsSocket) Status(b []byte, offset int64) (int, error) {
	n := 0
	for n < len(b) {
		text := s.kernel.text(int(offset) + n)
		at := min(int(offset)+n, len(text))
		m := copy(b[n:], text[at:min(at+4096, len(text))])
		if m == 0 {
			break
		}
		n += m
	}
	return n, nil
}

// nfqRow is a line of /proc/net/netfilter/nfnetlink_queue.
func nfqRow(number, lastID int) string {
	return fmt.Sprintf("%5d %6d %5d 2 65531     0     0 %8d  1\n", number, 1<<31+uint32(number), number%7, lastID)
}

// nfqRows are those of n queues, from first on.
func nfqRows(first, n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(nfqRow(first+i, i))
	}
	return b.String()
}

func openRows(t *testing.T, c queue.Config, text func(at int) string) *queue.Queue {
	t.Helper()
	k := &rowsKernel{kerneltest.New(kerneltest.Options{}), text}
	q, err := queue.Open(sock.WithKernel(t.Context(), k), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	return q
}

// TestStatsManyQueues puts the row after those of many other queues, at every
// position in a buffer and a page.
func TestStatsManyQueues(t *testing.T) {
	for _, n := range []int{0, 1, 699, 700, 65535} {
		text := nfqRows(0, n) + nfqRow(65535, 42) + nfqRows(n, 65535-n)
		q := openRows(t, queue.Config{Number: 65535}, func(int) string { return text })
		if k := q.Stats().Kernel; k.Err != nil || k.LastID != 42 {
			t.Errorf("behind %d rows: %+v, want id 42", n, k)
		}
	}
	for shift := range len(nfqRow(1, 1)) {
		text := strings.Repeat(" ", shift) + nfqRows(0, 700) + nfqRow(65535, 42)
		q := openRows(t, queue.Config{Number: 65535}, func(int) string { return text })
		if k := q.Stats().Kernel; k.Err != nil || k.LastID != 42 {
			t.Errorf("shifted by %d: %+v, want id 42", shift, k)
		}
	}
}

// TestStatsQueuesComeAndGo takes rows away while the file is read, and brings
// them back before it is read again.
func TestStatsQueuesComeAndGo(t *testing.T) {
	many, few := nfqRows(0, 700)+nfqRow(65535, 42), nfqRows(100, 600)+nfqRow(65535, 42)
	for _, misses := range []int{1, 9} {
		q := openRows(t, queue.Config{Number: 65535}, func(at int) string {
			if misses == 0 || at < len(few) {
				return many
			}
			misses--
			return few // which ends here
		})
		if k := q.Stats().Kernel; k.Err != nil || k.LastID != 42 || misses != 0 {
			t.Errorf("%+v after passing over the row, want id 42; %d misses left", k, misses)
		}
	}
	q := openRows(t, queue.Config{Number: 65535}, func(int) string { return nfqRows(0, 700) })
	if k := q.Stats().Kernel; k.Err == nil {
		t.Errorf("%+v without a row, want an error", k)
	}
}

// A file with a line that is no line does no harm.
func TestStatsNoLines(t *testing.T) {
	text := strings.Repeat("7", 1<<16)
	q := openRows(t, queue.Config{Number: 7}, func(int) string { return text })
	if k := q.Stats().Kernel; k.Err == nil {
		t.Errorf("%+v, want an error", k)
	}
}

// TestStatsAllocates reads the row behind 700 others.
func TestStatsAllocates(t *testing.T) {
	text := nfqRows(0, 700) + nfqRow(65535, 42)
	q := openRows(t, queue.Config{Number: 65535}, func(int) string { return text })
	if n := testing.AllocsPerRun(100, func() { q.Stats() }); n > 0 {
		t.Errorf("%v allocations for each Stats, want none", n)
	}
}

// TestOwnerManyQueues names the owner of a queue behind many others.
func TestOwnerManyQueues(t *testing.T) {
	k := kerneltest.New(kerneltest.Options{Process: 4711})
	text := nfqRows(0, 700) + strings.Replace(nfqRow(65535, 1), fmt.Sprint(uint32(1<<31+65535)), "  4711", 1)
	h := &host{k, map[string][]byte{"/proc/4711/comm": []byte("firewalld\n")}}
	owner, err := queue.Open(sock.WithKernel(t.Context(), k), queue.Config{Number: 65535})
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close()
	both := &ownedKernel{h, &rowsKernel{k, func(int) string { return text }}}
	_, err = queue.Open(sock.WithKernel(t.Context(), both), queue.Config{Number: 65535})
	if err == nil || !strings.Contains(err.Error(), "firewalld") {
		t.Errorf("%v does not name firewalld", err)
	}
}

// An ownedKernel has the files of one kernel and the sockets of another.
type ownedKernel struct {
	*host
	sockets *rowsKernel
}

func (k *ownedKernel) Open(c sock.Config) (sock.Socket, error) { return k.sockets.Open(c) }
