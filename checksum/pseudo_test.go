package checksum

import (
	"encoding/binary"
	"testing"
)

func TestPseudoIPv4(t *testing.T) {
	for _, fill := range []byte{0x00, 0x7f, 0xff} {
		src, dst := [4]byte{fill, 1, 2, fill}, [4]byte{3, fill, fill, 4}
		header := append(src[:], dst[:]...)
		header = append(header, 0, protoTCP)
		header = binary.BigEndian.AppendUint16(header, 65515)
		if got, want := Fold(PseudoIPv4(src, dst, protoTCP, 65515)), naiveSum(header); got != want {
			t.Errorf("%v to %v: PseudoIPv4 folds to %#04x, want %#04x", src, dst, got, want)
		}
	}
}

func TestPseudoIPv6(t *testing.T) {
	for _, fill := range []byte{0x00, 0x7f, 0xff} {
		src, dst := [16]byte{fill, 1, 2, fill}, [16]byte{3, 14: fill, 15: 4}
		header := append(src[:], dst[:]...)
		header = binary.BigEndian.AppendUint32(header, 1<<24+65535)
		header = append(header, 0, 0, 0, protoUDP)
		if got, want := Fold(PseudoIPv6(src, dst, protoUDP, 1<<24+65535)), naiveSum(header); got != want {
			t.Errorf("%v to %v: PseudoIPv6 folds to %#04x, want %#04x", src, dst, got, want)
		}
	}
}
