//go:build race

package ledger

// poison overwrites the bytes of a packet, so that a read after the verdict is
// noticed.
func poison(b []byte) {
	if len(b) == 0 {
		return
	}
	b[0] = 0xdb
	for n := 1; n < len(b); n *= 2 {
		copy(b[n:], b[:n])
	}
}
