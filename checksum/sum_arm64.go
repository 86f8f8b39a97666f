//go:build gc && !purego

package checksum

const (
	minVector = 256     // more make up for what sumVector does before and after its loop
	maxVector = 1 << 20 // far from an overflow of 64 bits
)

// hasVector reports true: every arm64 CPU that Go runs on has NEON.
func hasVector() bool { return true }

// sumVector is Sum with NEON, for a b of 16 to maxVector bytes.
//
//go:noescape
func sumVector(b []byte) uint64
