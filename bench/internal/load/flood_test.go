package load

import (
	"testing"

	"github.com/ipqueue/ipqueue/checksum"
)

func TestEchoRequest(t *testing.T) {
	for _, size := range []int{0, 1, 56, 1400} {
		b := echoRequest(size)
		if len(b) != 8+size || b[0] != 8 || b[1] != 0 || b[4] == 0 && b[5] == 0 {
			t.Errorf("%d bytes of data: message % x..., %d bytes", size, b[:4], len(b))
		}
		if sum := checksum.Fold(checksum.Sum(b)); sum != 0xffff {
			t.Errorf("%d bytes of data: the sum is %#04x, want 0xffff", size, sum)
		}
	}
}
