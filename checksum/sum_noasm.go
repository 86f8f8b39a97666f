//go:build !gc || purego || !(amd64 || arm64)

package checksum

import "math"

// There is no vector routine. With these limits the compiler removes the calls.
const (
	minVector = math.MaxInt
	maxVector = math.MaxInt
)

func hasVector() bool { return false }

func sumVector([]byte) uint64 { return 0 }
