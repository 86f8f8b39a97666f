//go:build race

package queue

// poison makes it visible if somebody reads a packet's bytes after its
// verdict.
func poison(b []byte) {
	b[0] = 0xdb
	for n := 1; n < len(b); n *= 2 {
		copy(b[n:], b[:n])
	}
}
