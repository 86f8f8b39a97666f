package kerneltest

import (
	"errors"
	"os"
	"testing"

	"github.com/ipqueue/ipqueue/internal/sock"
)

func TestSetLink(t *testing.T) {
	k := New(Options{})
	s, err := k.Open(sock.Config{Protocol: sock.ProtoNetfilter})
	if err != nil {
		t.Fatal(err)
	}
	links, err := s.Links()
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"eth0", "eth1", ""} {
		k.SetLink(3, name)
		got, err := s.LinkName(3)
		if got != name || (err == nil) != (name != "") {
			t.Errorf("LinkName = %q, %v, want %q", got, err, name)
		}
		if n := k.Lookups(); n != i+1 {
			t.Errorf("%d lookups, want %d", n, i+1)
		}
		batch := []sock.Datagram{{Buf: make([]byte, 64)}, {Buf: make([]byte, 64)}}
		if n, err := links.Receive(batch, func() bool { return false }); n != 1 || err != nil {
			t.Errorf("Receive = %d, %v, want one notice", n, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, name := s.LinkName(3)
	_, watch := s.Links()
	if !errors.Is(name, os.ErrClosed) || !errors.Is(watch, os.ErrClosed) {
		t.Errorf("after Close LinkName = %v, Links = %v, want os.ErrClosed", name, watch)
	}
}

func TestNoLinks(t *testing.T) {
	s, err := New(Options{NoLinks: true}).Open(sock.Config{Protocol: sock.ProtoNetfilter})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Links(); err == nil {
		t.Error("Links works on a kernel that has none")
	}
}

// An injected packet adds its interfaces; a later packet can rename them.
func TestInjectNamesLinks(t *testing.T) {
	k := New(Options{})
	s, err := k.Open(sock.Config{Protocol: sock.ProtoNetfilter})
	if err != nil {
		t.Fatal(err)
	}
	k.Inject(Packet{In: Device{2, "eth0"}, PhysOut: Device{3, "port"}})
	k.Inject(Packet{In: Device{2, "eth1"}, PhysOut: Device{Index: 3}})
	for index, want := range []string{"", "", "eth1", "port", ""} {
		if got, _ := s.LinkName(uint32(index)); got != want {
			t.Errorf("link %d is called %q, want %q", index, got, want)
		}
	}
}
