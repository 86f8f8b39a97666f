package checksum

import (
	"fmt"
	"testing"
)

// sizes are packet sizes from an IPv4 header to a GSO packet, including odd ones.
var sizes = []int{20, 21, 40, 64, 128, 255, 576, 1280, 1500, 1501, 4096, 9000, 65535}

func BenchmarkSum(b *testing.B) {
	for _, n := range sizes {
		data := noise(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.SetBytes(int64(n))
			for b.Loop() {
				Fold(Sum(data))
			}
		})
	}
}

func BenchmarkIPv4Header(b *testing.B) {
	for _, n := range []int{20, 24, 60} {
		header := noise(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				IPv4Header(header)
			}
		})
	}
}

func BenchmarkUpdate(b *testing.B) {
	for _, n := range []int{2, 4, 16} {
		old, new := noise(2 * n)[:n], noise(2 * n)[n:]
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				Update(0x1234, old, new)
			}
		})
	}
}

// packets returns the samples of the given names, enlarged to the given sizes.
var packets = []struct {
	sample string
	size   int
}{
	{"TCP", 40},
	{"TCP", 1500},
	{"TCP", 65535},
	{"UDP", 64},
	{"UDP", 1500},
	{"ICMP echo", 84},
	{"SCTP", 1500},
	{"IPv6 TCP", 60},
	{"IPv6 TCP", 1500},
	{"IPv6 UDP", 1280},
	{"segment routing header", 1280},
}

func benchmarkPackets(b *testing.B, f func(b *testing.B, packet []byte)) {
	for _, p := range packets {
		packet := make([]byte, p.size)
		copy(packet, sampleBytes(b, p.sample))
		if err := Resize(packet); err != nil {
			b.Fatalf("%s: Resize: %v", p.sample, err)
		}
		b.Run(fmt.Sprint(p.sample, " ", p.size), func(b *testing.B) {
			b.SetBytes(int64(p.size))
			f(b, packet)
		})
	}
}

func BenchmarkFix(b *testing.B) {
	benchmarkPackets(b, func(b *testing.B, packet []byte) {
		for b.Loop() {
			if err := Fix(packet); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkValid(b *testing.B) {
	benchmarkPackets(b, func(b *testing.B, packet []byte) {
		if err := Fix(packet); err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if valid, err := Valid(packet); !valid {
				b.Fatal(err)
			}
		}
	})
}
