//go:build gc && !purego

package checksum

import "golang.org/x/sys/cpu"

const (
	minVector = 64        // sum64 sums up to this many bytes without a loop
	maxVector = 4095 * 32 // even, and the sum of the words is below 1<<32
)

// hasVector reports whether sumVector runs on this CPU.
func hasVector() bool { return cpu.X86.HasAVX2 }

// sumVector is Sum with AVX2. The length of b must be 32 to maxVector.
//
//go:noescape
func sumVector(b []byte) uint64
