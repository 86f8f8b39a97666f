package rawip

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"testing"

	"github.com/ipqueue/ipqueue/checksum"
	"github.com/ipqueue/ipqueue/internal/netns"
	"github.com/ipqueue/ipqueue/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m) }

// datagram returns a UDP packet to that address, with correct checksums.
func datagram(t *testing.T, to netip.AddrPort, text string) []byte {
	t.Helper()
	b := []byte{0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17, 0, 0}
	if to.Addr().Is6() {
		b = []byte{0x60, 0, 0, 0, 0, 0, 17, 64}
	}
	b = append(b, to.Addr().AsSlice()...) // source and destination are the same
	b = append(b, to.Addr().AsSlice()...)
	b = binary.BigEndian.AppendUint16(b, to.Port())
	b = binary.BigEndian.AppendUint16(b, to.Port())
	b = append(append(b, 0, 0, 0xff, 0xff), text...)
	if err := errors.Join(checksum.Resize(b), checksum.Fix(b)); err != nil {
		t.Fatal(err)
	}
	return b
}

// openSocket returns a socket and closes it at the end of the test.
func openSocket(t *testing.T, mark uint32) *Socket {
	t.Helper()
	testutil.RequireKernel(t)
	s, err := Open(mark)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestSend(t *testing.T) {
	const mark = 0x7e57
	s := openSocket(t, mark)
	var own netns.Namespace
	table, err := own.AddTable(netns.Inet, "rawip")
	if err != nil {
		t.Fatal(err)
	}
	defer table.Delete()
	chain, err := table.AddChain(netns.Output, 0, netns.Rule{Protocol: netns.UDP, Mark: netns.MarkIs(mark)})
	if err != nil {
		t.Fatal(err)
	}
	lo := testutil.Loopback(t)
	for _, addr := range lo.Addrs() {
		server, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		if err := s.Send(datagram(t, server.LocalAddr().(*net.UDPAddr).AddrPort(), "raw")); err != nil {
			t.Fatal(err)
		}
		if got := string(testutil.Receive(t, server)); got != "raw" {
			t.Errorf("%v: received %q, want %q", addr, got, "raw")
		}
	}
	if counts, err := chain.Counts(); err != nil || counts[0] != 2 {
		t.Errorf("%d packets with the mark, %v, want 2", counts, err)
	}
}

func TestSendRefuses(t *testing.T) {
	s := openSocket(t, 0)
	for _, packet := range [][]byte{nil, {0x45}, make([]byte, 40), append([]byte{0x60}, make([]byte, 38)...)} {
		if err := s.Send(packet); !errors.Is(err, errNoPacket) {
			t.Errorf("Send(% x) = %v, want %v", packet, err, errNoPacket)
		}
	}
	large := datagram(t, netip.MustParseAddrPort("[::1]:9"), string(make([]byte, 65500)))
	link, err := (&netns.Namespace{}).Link("lo")
	if err != nil {
		t.Fatal(err)
	}
	if err := link.SetMTU(1500); err != nil {
		t.Fatal(err)
	}
	defer link.SetMTU(65536)
	if err := s.Send(large); !errors.Is(err, syscall.EMSGSIZE) {
		t.Errorf("Send of %d bytes = %v, want EMSGSIZE", len(large), err)
	}
}

// TestOneVersion checks that Open needs only one of the two IP versions.
func TestOneVersion(t *testing.T) {
	testutil.RequireKernel(t)
	lo := testutil.Loopback(t)
	without := func(families ...int) (*Socket, error) {
		return openWith(0, func(family int, mark uint32) (int, error) {
			if slices.Contains(families, family) {
				return missing, os.NewSyscallError("socket", syscall.EAFNOSUPPORT)
			}
			return rawSocket(family, mark)
		})
	}
	for missing, there := range map[int]netip.Addr{syscall.AF_INET: lo.IPv6, syscall.AF_INET6: lo.IPv4} {
		s, err := without(missing)
		if err != nil {
			t.Fatal(err)
		}
		for _, addr := range lo.Addrs() {
			err := s.Send(datagram(t, netip.AddrPortFrom(addr, 9), "raw"))
			if addr == there && err != nil || addr != there && !errors.Is(err, syscall.EAFNOSUPPORT) {
				t.Errorf("without family %d, to %v: %v", missing, addr, err)
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := without(syscall.AF_INET, syscall.AF_INET6); !errors.Is(err, syscall.EAFNOSUPPORT) {
		t.Errorf("without both: %v, want EAFNOSUPPORT", err)
	}
	refused := func(int, uint32) (int, error) { return missing, os.NewSyscallError("socket", syscall.EPERM) }
	if _, err := openWith(0, refused); !errors.Is(err, syscall.EPERM) {
		t.Errorf("without the privilege: %v, want EPERM", err)
	}
}
