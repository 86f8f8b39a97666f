//go:build race

package ledger

// poison overwrites a packet's bytes, so that a read after the verdict shows.
func poison(b []byte) {
	b[0] = 0xdb
	for n := 1; n < len(b); n *= 2 {
		copy(b[n:], b[:n])
	}
}
