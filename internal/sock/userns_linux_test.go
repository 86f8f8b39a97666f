package sock

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ipqueue/ipqueue/internal/testutil"
)

// A process whose ids are mapped all to themselves is in the initial user
// namespace.
func TestInitialUser(t *testing.T) {
	testutil.RequireKernel(t)
	ids, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Join(strings.Fields(string(ids)), " ") == "0 0 4294967295"
	s := openSocket(t, Config{Protocol: unix.NETLINK_NETFILTER})
	if got, err := s.InitialUser(); got != want || err != nil {
		t.Errorf("InitialUser() = %t, %v, want %t: uid_map is %q", got, err, want, ids)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.InitialUser(); err != ErrClosed {
		t.Errorf("InitialUser() after Close = %v, want ErrClosed", err)
	}
}
