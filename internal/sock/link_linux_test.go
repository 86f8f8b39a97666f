package sock

import (
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ipqueue/ipqueue/internal/netns"
	"github.com/ipqueue/ipqueue/internal/testutil"
)

// linkIn returns a new namespace with a link of that name.
func linkIn(t *testing.T, name string) (*netns.Namespace, netns.Link) {
	t.Helper()
	ns := testutil.NewNamespace(t)
	link, _, err := ns.AddVeth(name, ns, name+"peer")
	if err != nil {
		t.Fatal(err)
	}
	return ns, link
}

func TestLinkName(t *testing.T) {
	testutil.RequireKernel(t)
	ns, link := linkIn(t, "link")
	here := openSocket(t, Config{Protocol: unix.NETLINK_NETFILTER})
	there := openSocket(t, Config{Protocol: unix.NETLINK_NETFILTER, NetNS: ns.FD()})
	if got, err := there.LinkName(uint32(link.Index)); got != link.Name || err != nil {
		t.Errorf("LinkName = %q, %v, want %s", got, err, link.Name)
	}
	if got, err := here.LinkName(uint32(link.Index)); got != "" || !errors.Is(err, unix.ENODEV) {
		t.Errorf("LinkName in another namespace = %q, %v, want ENODEV", got, err)
	}
	if err := there.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := there.LinkName(uint32(link.Index)); !errors.Is(err, ErrClosed) {
		t.Errorf("LinkName after Close = %v, want ErrClosed", err)
	}
}

// TestLinks checks that each change in the namespace of the socket is reported,
// and none in others.
func TestLinks(t *testing.T) {
	testutil.RequireKernel(t)
	testutil.CheckLeaks(t)
	ns, link := linkIn(t, "link")
	_, elsewhere := linkIn(t, "elsewhere")
	for _, test := range []struct {
		name string
		do   func(func() error) error // where Links is called
	}{
		{"called in another namespace", func(f func() error) error { return f() }},
		{"called in the namespace", ns.Do},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := openSocket(t, Config{Protocol: unix.NETLINK_NETFILTER, NetNS: ns.FD()})
			var links Socket
			err := test.do(func() (err error) {
				links, err = s.Links()
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			defer links.Close()
			wantNotice(t, links, false)
			if err := elsewhere.SetMTU(1000); err != nil {
				t.Fatal(err)
			}
			wantNotice(t, links, false)
			if link, err = link.Rename(link.Name + "2"); err != nil {
				t.Fatal(err)
			}
			wantNotice(t, links, true)
		})
	}
}

// wantNotice reads the socket empty. Notices are there when the change is made.
func wantNotice(t *testing.T, links Socket, want bool) {
	t.Helper()
	n, err := links.Receive(newBatch(MaxBatch, 64), func() bool { return false })
	if err != nil || (n > 0) != want {
		t.Errorf("Receive = %d, %v, want a notice: %t", n, err, want)
	}
}

// TestLinksOverrun checks that a socket that is not read in time returns
// ENOBUFS.
func TestLinksOverrun(t *testing.T) {
	testutil.RequireKernel(t)
	ns, link := linkIn(t, "link")
	s := openSocket(t, Config{Protocol: unix.NETLINK_NETFILTER, NetNS: ns.FD()})
	links, err := s.Links()
	if err != nil {
		t.Fatal(err)
	}
	defer links.Close()
	for i := range 1000 {
		if err := link.SetMTU(1000 + i%2); err != nil {
			t.Fatal(err)
		}
	}
	if err := links.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := links.Receive(newBatch(1, 64), nil); !errors.Is(err, unix.ENOBUFS) {
		t.Errorf("Receive = %v after too many changes, want ENOBUFS", err)
	}
}

func TestLinksAfterClose(t *testing.T) {
	testutil.CheckLeaks(t)
	s := openSocket(t, Config{Protocol: unix.NETLINK_NETFILTER})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Links(); !errors.Is(err, ErrClosed) {
		t.Errorf("Links after Close = %v, want ErrClosed", err)
	}
}
