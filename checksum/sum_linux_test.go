package checksum

import (
	"os"
	"syscall"
	"testing"
)

// TestSumStaysInside puts slices against pages that cannot be read, at their
// start and at their end. A read outside the slice is a crash.
func TestSumStaysInside(t *testing.T) {
	page := os.Getpagesize()
	mem, err := syscall.Mmap(-1, 0, 3*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatalf("map three pages: %v", err)
	}
	t.Cleanup(func() { syscall.Munmap(mem) })
	for _, guard := range [][]byte{mem[:page], mem[2*page:]} {
		if err := syscall.Mprotect(guard, syscall.PROT_NONE); err != nil {
			t.Fatalf("protect a page: %v", err)
		}
	}
	middle := mem[page : 2*page]
	copy(middle, noise(page))
	for n := range 1000 {
		for _, b := range [][]byte{middle[:n], middle[page-n:]} {
			checkSum(t, b, naiveSum(b))
		}
	}
}
