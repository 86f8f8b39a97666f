package checksum

import "testing"

// TestAllocations checks that nothing allocates, including calls that fail.
func TestAllocations(t *testing.T) {
	data := noise(65535)
	field := noise(16)
	check := func(name string, f func()) {
		t.Helper()
		if n := testing.AllocsPerRun(10, f); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
	check("Sum", func() { Sum(data) })
	check("IPv4Header", func() { IPv4Header(data[:60]) })
	check("PseudoIPv6", func() { PseudoIPv6([16]byte(data), [16]byte(field), 6, 20) })
	check("Update", func() { Update(0x1234, data[:16], field) })
	check("UpdateUDP", func() { UpdateUDP(0x1234, data[:16], field) })
	for _, s := range samples {
		packet, _ := s.parse(t)
		checkPacketAllocations(t, s.name, packet)
	}
	for _, c := range bad {
		checkPacketAllocations(t, c.sample, c.packet(t))
	}
}

func checkPacketAllocations(t *testing.T, name string, packet []byte) {
	t.Helper()
	n := testing.AllocsPerRun(10, func() {
		Fix(packet)
		Valid(packet)
		Resize(packet)
	})
	if n != 0 {
		t.Errorf("Fix, Valid and Resize of %s allocate %v times", name, n)
	}
}
