package main

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// text returns the first n bytes of the stream in these tests.
func text(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * 7)
	}
	return b
}

func TestStreamAnyOrder(t *testing.T) {
	const seed = 1
	r := rand.New(rand.NewPCG(seed, seed))
	want := text(3000)
	var s stream
	for _, at := range r.Perm(len(want)) {
		end := min(at+r.IntN(5), len(want))
		if !s.add(at, want[at:end]) {
			t.Fatalf("bytes %d to %d contradict", at, end)
		}
	}
	for at := range want { // missing bytes
		s.add(at, want[at:at+1])
	}
	if got := s.beginning(); !bytes.Equal(got, want) {
		t.Errorf("%d bytes are known, want %d", len(got), len(want))
	}
}

func TestStreamGap(t *testing.T) {
	var s stream
	s.add(0, []byte("ab"))
	s.add(3, []byte("de"))
	if got := string(s.beginning()); got != "ab" {
		t.Errorf("before the gap is filled: %q, want ab", got)
	}
	s.add(2, []byte("c"))
	if got := string(s.beginning()); got != "abcde" {
		t.Errorf("after the gap is filled: %q, want abcde", got)
	}
}

func TestStreamContradiction(t *testing.T) {
	for _, test := range []struct {
		name string
		at   int
		data string
		want bool
	}{
		{"again", 0, "abc", true},
		{"overlap", 1, "bcd", true},
		{"other", 1, "x", false},
		{"other overlap", 2, "xd", false},
		{"other in what was out of order", 10, "y", false},
	} {
		var s stream
		s.add(0, []byte("abc"))
		s.add(10, []byte("z"))
		if got := s.add(test.at, []byte(test.data)); got != test.want {
			t.Errorf("%s: add(%d, %q) = %t, want %t", test.name, test.at, test.data, got, test.want)
		}
	}
}

func TestStreamIsBounded(t *testing.T) {
	want := text(longestHello + 100)
	for _, at := range []int{longestHello - 1, longestHello, longestHello + 1, 1 << 30} {
		var s stream
		if !s.add(at, []byte("abc")) || len(s.data) > longestHello {
			t.Errorf("add at %d: %d bytes are kept", at, len(s.data))
		}
	}
	var s stream
	s.add(0, want)
	if !s.full() || !bytes.Equal(s.beginning(), want[:longestHello]) {
		t.Errorf("%d bytes are known, want %d", len(s.beginning()), longestHello)
	}
}

// FuzzStream compares a stream with a model that keeps each byte in a map.
func FuzzStream(f *testing.F) {
	f.Add([]byte{0, 3, 1, 3, 9, 9})
	f.Add([]byte{255, 4, 0, 8, 2, 2})
	f.Fuzz(func(t *testing.T, script []byte) {
		var s stream
		known := make(map[int]byte)
		for ; len(script) >= 2; script = script[2:] {
			at, n := int(script[0]), min(int(script[1]), len(script))
			s.add(at, script[:n])
			for i, c := range script[:n] {
				if old, there := known[at+i]; there && old != c {
					break
				}
				known[at+i] = c
			}
		}
		n := 0
		for _, there := known[0]; there; _, there = known[n] {
			n++
		}
		if len(s.beginning()) > n {
			t.Fatalf("%d bytes are known, want at most %d", len(s.beginning()), n)
		}
		for i, c := range s.beginning() {
			if c != known[i] {
				t.Fatalf("byte %d is %d, want %d", i, c, known[i])
			}
		}
	})
}
