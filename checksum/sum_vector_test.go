//go:build gc && !purego && (amd64 || arm64)

package checksum

import "testing"

// TestSumVector calls the vector routine directly, also with slices so short
// that Sum does not use it. The oracle is sum32, which other tests compare with
// naiveSum.
func TestSumVector(t *testing.T) {
	if !hasVector() {
		t.Skip("needs vector instructions: this CPU has none")
	}
	data := noise(maxVector + 64)
	for n := 32; n <= longest; n++ {
		for _, start := range []int{0, 1, 4, 20, 63} {
			checkVector(t, data[start:start+n])
		}
	}
	checkVector(t, data[:maxVector])
	checkVector(t, data[1:maxVector])
	for i := range data {
		data[i] = 0xff
	}
	checkVector(t, data[:maxVector])
}

func checkVector(t *testing.T, b []byte) {
	t.Helper()
	if got, want := Fold(sumVector(b)), Fold(sum32(b)); got != want {
		t.Fatalf("sumVector of %d bytes folds to %#04x, want %#04x", len(b), got, want)
	}
}
