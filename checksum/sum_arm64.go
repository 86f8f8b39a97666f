//go:build gc && !purego

package checksum

const (
	minVector = 256     // for longer slices sumVector is worth its fixed cost
	maxVector = 1 << 20 // far below an overflow of 64 bits
)

// hasVector reports true: every arm64 CPU that Go supports has NEON.
func hasVector() bool { return true }

// sumVector is Sum with NEON. The length of b must be 16 to maxVector.
//
//go:noescape
func sumVector(b []byte) uint64
