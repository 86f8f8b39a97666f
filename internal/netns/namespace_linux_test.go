package netns_test

import (
	"errors"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/ipqueue/ipqueue/internal/netns"
	"github.com/ipqueue/ipqueue/internal/testutil"
)

func TestNamespaceIsAnother(t *testing.T) {
	requireInside(t)
	testutil.CheckLeaks(t)
	own := readlink(t, "/proc/self/ns/net")
	seen := make(map[string]bool)
	for range 20 {
		n := testutil.NewNamespace(t)
		var name string
		err := n.Do(func() error {
			name = readlink(t, "/proc/thread-self/ns/net")
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if name == own || seen[name] {
			t.Errorf("namespace %s is not a new one", name)
		}
		seen[name] = true
	}
	if got := readlink(t, "/proc/self/ns/net"); got != own {
		t.Errorf("the process moved from %s to %s", own, got)
	}
}

// The first thread's namespace is what the process shows. Of many goroutines
// at once some start on that thread.
func TestNamespaceLeavesFirstThread(t *testing.T) {
	requireInside(t)
	own := readlink(t, "/proc/self/ns/net")
	var group sync.WaitGroup
	for range 4 * runtime.GOMAXPROCS(0) {
		group.Go(func() {
			n, err := netns.New()
			if err != nil {
				t.Error(err)
				return
			}
			n.Close()
		})
	}
	group.Wait()
	if got := readlink(t, "/proc/self/ns/net"); got != own {
		t.Errorf("the process moved from %s to %s", own, got)
	}
}

func TestNamespaceDo(t *testing.T) {
	requireInside(t)
	want := errors.New("from f")
	for name, n := range map[string]*netns.Namespace{"own": {}, "new": testutil.NewNamespace(t)} {
		if got := n.Do(func() error { return want }); got != want {
			t.Errorf("%s: Do = %v, want %v", name, got, want)
		}
	}
}

// A function that ends its goroutine must not leave Do waiting.
func TestNamespaceDoGoexit(t *testing.T) {
	requireInside(t)
	n := testutil.NewNamespace(t)
	if err := n.Do(func() error { runtime.Goexit(); return nil }); err == nil {
		t.Error("Do = nil, want an error")
	}
	if err := n.Do(func() error { return nil }); !errors.Is(err, os.ErrClosed) {
		t.Errorf("second Do = %v, want os.ErrClosed", err)
	}
}

func TestNamespaceClose(t *testing.T) {
	requireInside(t)
	testutil.CheckLeaks(t)
	n, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	for _, call := range []string{"first", "second"} {
		if err := n.Close(); err != nil {
			t.Errorf("%s Close = %v", call, err)
		}
	}
	if err := n.Do(func() error { return nil }); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Do after Close = %v, want os.ErrClosed", err)
	}
}

func TestNamespaceFD(t *testing.T) {
	requireInside(t)
	var own netns.Namespace
	if got := own.FD(); got != 0 {
		t.Errorf("FD of the process's own = %d, want 0", got)
	}
	if err := own.Close(); err != nil {
		t.Errorf("Close of the process's own = %v", err)
	}
	if got := testutil.NewNamespace(t).FD(); got <= 2 {
		t.Errorf("FD = %d, want a descriptor", got)
	}
}

func TestNamespaceLoopbackIsUp(t *testing.T) {
	requireInside(t)
	err := testutil.NewNamespace(t).Do(func() error {
		conn, err := net.ListenPacket("udp6", "[::1]:0")
		if err != nil {
			return err
		}
		return conn.Close()
	})
	if err != nil {
		t.Error(err)
	}
}

func TestSetSysctl(t *testing.T) {
	requireInside(t)
	n := testutil.NewNamespace(t)
	if err := n.SetSysctl("ipv4/ip_default_ttl", "77"); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		n    *netns.Namespace
		want bool
	}{{"set", n, true}, {"own", &netns.Namespace{}, false}} {
		var got []byte
		err := test.n.Do(func() (err error) {
			got, err = os.ReadFile("/proc/sys/net/ipv4/ip_default_ttl")
			return err
		})
		if err != nil || (strings.TrimSpace(string(got)) == "77") != test.want {
			t.Errorf("%s namespace has %q, %v", test.name, got, err)
		}
	}
	if err := n.SetSysctl("ipv4/no_such", "1"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("SetSysctl of a wrong name = %v, want os.ErrNotExist", err)
	}
}

func readlink(t *testing.T, name string) string {
	target, err := os.Readlink(name)
	if err != nil {
		t.Error(err)
	}
	return target
}
