//go:build gc && !purego

package checksum

import "golang.org/x/sys/cpu"

const (
	minVector = 64        // up to here sum64 needs no loop
	maxVector = 4095 * 32 // an even number of bytes whose words sum up to less than 1<<32
)

// hasVector reports whether sumVector runs on this CPU.
func hasVector() bool { return cpu.X86.HasAVX2 }

// sumVector is Sum with AVX2, for a b of 32 to maxVector bytes.
//
//go:noescape
func sumVector(b []byte) uint64
