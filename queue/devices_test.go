package queue

import (
	"strconv"
	"testing"
)

// TestDevices asks for the numbers of names in turn, until there are no more.
func TestDevices(t *testing.T) {
	var d devices
	var last numberedName
	if n := d.number(nil, &last); n != 0 {
		t.Errorf("no name has number %d, want 0", n)
	}
	for range 2 {
		for i := range maxDevices {
			name := "eth" + strconv.Itoa(i)
			n := d.number([]byte(name), &last)
			if n != uint32(i+1) || d.name(n) != name {
				t.Fatalf("%s has number %d, which is %s", name, n, d.name(n))
			}
		}
	}
	for range 2 {
		if n := d.number([]byte("late"), &last); n != 0 {
			t.Errorf("a name too many has number %d, want 0", n)
		}
	}
}
