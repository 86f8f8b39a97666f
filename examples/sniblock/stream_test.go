package main

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// text is what streams say.
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
	for _, first := range []uint32{0, 1, 1 << 31, 1<<32 - 1000} {
		s := stream{first: first}
		for _, at := range r.Perm(len(want)) {
			end := min(at+r.IntN(5), len(want))
			if !s.add(first+uint32(at), want[at:end]) {
				t.Fatalf("first %d: bytes %d to %d contradict", first, at, end)
			}
		}
		for at := range want { // what was left out
			s.add(first+uint32(at), want[at:at+1])
		}
		if got := s.beginning(); !bytes.Equal(got, want) {
			t.Errorf("first %d: %d bytes are known, want %d", first, len(got), len(want))
		}
	}
}

func TestStreamGap(t *testing.T) {
	s := stream{first: 100}
	s.add(100, []byte("ab"))
	s.add(103, []byte("de"))
	if got := string(s.beginning()); got != "ab" {
		t.Errorf("before the gap is filled: %q, want ab", got)
	}
	s.add(102, []byte("c"))
	if got := string(s.beginning()); got != "abcde" {
		t.Errorf("after the gap is filled: %q, want abcde", got)
	}
}

func TestStreamContradiction(t *testing.T) {
	for _, test := range []struct {
		name     string
		sequence uint32
		data     string
		want     bool
	}{
		{"again", 100, "abc", true},
		{"overlap", 101, "bcd", true},
		{"before and overlap", 98, "??ab", true},
		{"all before", 90, "???", true},
		{"other", 101, "x", false},
		{"other overlap", 98, "??ax", false},
		{"other in what was out of order", 110, "y", false},
	} {
		s := stream{first: 100}
		s.add(100, []byte("abc"))
		s.add(110, []byte("z"))
		if got := s.add(test.sequence, []byte(test.data)); got != test.want {
			t.Errorf("%s: add(%d, %q) = %t, want %t", test.name, test.sequence, test.data, got, test.want)
		}
	}
}

func TestStreamIsBounded(t *testing.T) {
	want := text(longestHello + 100)
	for _, at := range []int{longestHello - 1, longestHello, longestHello + 1, 1 << 30} {
		s := stream{first: 5}
		if !s.add(5+uint32(at), []byte("abc")) || len(s.data) > longestHello {
			t.Errorf("add at %d: %d bytes are kept", at, len(s.data))
		}
	}
	s := stream{first: 5}
	s.add(5, want)
	if !s.full() || !bytes.Equal(s.beginning(), want[:longestHello]) {
		t.Errorf("%d bytes are known, want %d", len(s.beginning()), longestHello)
	}
}

// The stream agrees with one that keeps each byte in a map.
func FuzzStream(f *testing.F) {
	f.Add(uint32(0), []byte{0, 3, 1, 3, 9, 9})
	f.Add(uint32(1<<32-2), []byte{255, 4, 0, 8, 2, 2})
	f.Fuzz(func(t *testing.T, first uint32, script []byte) {
		s, known := stream{first: first}, make(map[int]byte)
		for ; len(script) >= 2; script = script[2:] {
			at, n := int(int8(script[0])), min(int(script[1]), len(script))
			s.add(first+uint32(at), script[:n])
			for i, c := range script[:n] {
				if old, there := known[at+i]; at+i >= 0 && there && old != c {
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
