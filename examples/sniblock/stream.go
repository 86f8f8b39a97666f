package main

// longestHello is the number of bytes that a stream remembers, and the length of
// the longest ClientHello that is understood.
const longestHello = 64 << 10

// A stream is the beginning of what a client sends, put together from pieces
// that come in any order and more than once.
type stream struct {
	data  []byte   // up to the last byte known
	known []uint64 // a bit for each byte of data
	whole int      // bytes of data before the first that is not known
}

// add puts a piece into its place, as far as the stream remembers it. It returns
// false if the piece contradicts what came before: the sender wants to be
// understood in two ways.
func (s *stream) add(at int, b []byte) bool {
	b = b[:min(len(b), max(0, longestHello-at))]
	if len(b) == 0 {
		return true
	}
	s.grow(at + len(b))
	for i, c := range b {
		if !s.put(at+i, c) {
			return false
		}
	}
	for s.whole < len(s.data) && s.has(s.whole) {
		s.whole++
	}
	return true
}

// grow makes room for n bytes.
func (s *stream) grow(n int) {
	if n <= len(s.data) {
		return
	}
	s.data = append(s.data, make([]byte, n-len(s.data))...)
	words := (n + 63) / 64
	s.known = append(s.known, make([]uint64, words-len(s.known))...)
}

func (s *stream) has(i int) bool { return s.known[i/64]>>(i%64)&1 != 0 }

func (s *stream) put(i int, c byte) bool {
	if s.has(i) {
		return s.data[i] == c
	}
	s.data[i] = c
	s.known[i/64] |= 1 << (i % 64)
	return true
}

// beginning is what is known without a gap.
func (s *stream) beginning() []byte { return s.data[:s.whole] }

// full reports whether nothing more can be learned.
func (s *stream) full() bool { return s.whole == longestHello }

// size is the memory that the stream needs.
func (s *stream) size() int { return cap(s.data) + 8*cap(s.known) }
