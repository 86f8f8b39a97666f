package kerneltest

import (
	"errors"
	"io/fs"
	"testing"

	"github.com/ipqueue/ipqueue/internal/sock"
)

// open opens a socket and closes it at the end of the test.
func open(t *testing.T, k *Kernel, c sock.Config) *Socket {
	t.Helper()
	s, err := k.OpenAt(c, 0)
	if err != nil {
		t.Fatalf("Open(%+v): %v", c, err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// send sends one datagram. It fails the test if that is refused.
func send(t *testing.T, s *Socket, b []byte) {
	t.Helper()
	if n, err := s.Send([][]byte{b}); n != 1 || err != nil {
		t.Fatalf("Send(%x) = %d, %v", b, n, err)
	}
}

// receive returns all datagrams in the receive buffer.
func receive(t *testing.T, s *Socket) (datagrams [][]byte) {
	t.Helper()
	for {
		batch := []sock.Datagram{{Buf: make([]byte, 1<<17)}}
		n, err := s.Receive(batch, func() bool { return false })
		if err != nil {
			t.Fatalf("Receive: %v", err)
		}
		if n == 0 {
			return datagrams
		}
		datagrams = append(datagrams, batch[0].Buf[:batch[0].N])
	}
}

// request sends a request and returns the errno of the reply. It drops all datagrams
// that arrived before the reply.
func request(t *testing.T, s *Socket, o byteOrder, b []byte) Errno {
	t.Helper()
	send(t, s, b)
	all := receive(t, s)
	if len(all) == 0 {
		t.Fatalf("no reply to %x", b)
	}
	reply := all[len(all)-1]
	if kind := o.Uint16(reply[4:]); kind != typeError {
		t.Fatalf("reply to %x has type %d, want %d", b, kind, typeError)
	}
	return Errno(-int32(o.Uint32(reply[headerLen:])))
}

// wantFate checks the fate of a packet.
func wantFate(t *testing.T, j *Journey, want Fate) {
	t.Helper()
	if got := j.Fate(); got != want {
		t.Errorf("fate is %v, want %v", got, want)
	}
}

func TestOpenWithoutModule(t *testing.T) {
	for name, tt := range map[string]struct {
		modules Modules
		has     []int
		lacks   []int
	}{
		"zero":     {0, []int{sock.ProtoNetfilter}, []int{sock.ProtoFirewall, sock.ProtoIP6FW, 2}},
		"none":     {NoQueue, nil, []int{sock.ProtoNetfilter, sock.ProtoFirewall, sock.ProtoIP6FW}},
		"ip_queue": {IPQueue, []int{sock.ProtoFirewall}, []int{sock.ProtoNetfilter, sock.ProtoIP6FW}},
		"all":      {NFQueue | IPQueue | IP6Queue, []int{sock.ProtoNetfilter, sock.ProtoFirewall, sock.ProtoIP6FW}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			k := New(Options{Modules: tt.modules})
			for _, protocol := range tt.has {
				open(t, k, sock.Config{Protocol: protocol})
			}
			for _, protocol := range tt.lacks {
				s, err := k.Open(sock.Config{Protocol: protocol})
				if s != nil || !errors.Is(err, errNoProtocol) {
					t.Errorf("Open(%d) = %v, %v; want EPROTONOSUPPORT", protocol, s, err)
				}
			}
		})
	}
}

func TestPorts(t *testing.T) {
	k := New(Options{Modules: NFQueue | IPQueue, Process: 100})
	for i, tt := range []struct {
		c    sock.Config
		want uint32
	}{
		{sock.Config{Protocol: sock.ProtoNetfilter}, 100},
		{sock.Config{Protocol: sock.ProtoNetfilter}, 4294963199},
		{sock.Config{Protocol: sock.ProtoFirewall}, 100},
		{sock.Config{Protocol: sock.ProtoFirewall}, 4294963198},
		{sock.Config{Protocol: sock.ProtoFirewall, PositivePort: true}, 101},
		{sock.Config{Protocol: sock.ProtoFirewall, PositivePort: true}, 102},
	} {
		if got := open(t, k, tt.c).Port(); got != tt.want {
			t.Errorf("socket %d has port %d, want %d", i, got, tt.want)
		}
	}
	if _, err := k.OpenAt(sock.Config{Protocol: sock.ProtoFirewall}, 102); !errors.Is(err, errAddrInUse) {
		t.Errorf("OpenAt of a taken port: %v, want EADDRINUSE", err)
	}
	if n := len(k.Sockets()); n != 6 {
		t.Errorf("%d sockets, want 6", n)
	}
}

func TestClosedPortIsFree(t *testing.T) {
	k := New(Options{})
	for range 2 {
		s := open(t, k, sock.Config{Protocol: sock.ProtoNetfilter})
		if s.Port() != 4711 {
			t.Errorf("port %d, want 4711", s.Port())
		}
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
}

func TestReplied(t *testing.T) {
	k := New(Options{})
	s := open(t, k, sock.Config{Protocol: sock.ProtoNetfilter})
	bind(t, s, 1)
	request(t, s, native, nfqRequest(nfqVerdict, 1, verdictAttr(verdictAccept, 7)))
	if got := k.Replied(0); got != 1 {
		t.Errorf("%d acknowledgements, want 1", got)
	}
	if got := k.Replied(errNoEnt); got != 1 {
		t.Errorf("%d times ENOENT, want 1", got)
	}
}

func TestOnSend(t *testing.T) {
	var k *Kernel
	var seen []byte
	k = New(Options{OnSend: func(port uint32, b []byte) {
		if port != 4711 || k.Pending() != 0 {
			t.Errorf("OnSend: port %d, %d pending", port, k.Pending())
		}
		seen = append(seen, b...)
	}})
	s := open(t, k, sock.Config{Protocol: sock.ProtoNetfilter})
	b := nfqRequest(nfqConfig, 1)
	send(t, s, b)
	if string(seen) != string(b) {
		t.Errorf("OnSend saw %x, want %x", seen, b)
	}
}

func TestUnprivileged(t *testing.T) {
	k := New(Options{Unprivileged: true})
	s := open(t, k, sock.Config{Protocol: sock.ProtoNetfilter, StatusFile: "netfilter/nfnetlink_queue"})
	if errno := request(t, s, native, nfqRequest(nfqConfig, 1, bindAttr())); errno != errPerm {
		t.Errorf("bind: %v, want EPERM", errno)
	}
	if _, err := s.Status(make([]byte, 100), 0); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("Status: %v, want permission denied", err)
	}
	k.SetPrivileged(true)
	if errno := request(t, s, native, nfqRequest(nfqConfig, 1, bindAttr())); errno != 0 {
		t.Errorf("bind with CAP_NET_ADMIN: %v", errno)
	}
	if _, err := s.Status(make([]byte, 100), 0); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("Status of a file that could not be opened: %v, want permission denied", err)
	}
}
