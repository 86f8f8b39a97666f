package testutil

import (
	"strings"
	"testing"

	"github.com/ipqueue/ipqueue/internal/netns"
)

// Data that a rule drops stays in the kernel after Close, unless the connection is reset.
func TestAwaitTCP(t *testing.T) {
	lo := Loopback(t)
	for _, addr := range lo.Addrs() {
		for _, test := range []struct {
			name  string
			reset bool
			want  int
		}{{"closed", false, 1}, {"reset", true, 0}} {
			t.Run(addr.String()+"/"+test.name, func(t *testing.T) {
				RequireKernel(t)
				client, _ := TCP(t, lo.NS, lo.NS, addr)
				// No queue is bound, so that the kernel drops the packets.
				Feed(t, netns.Rule{Protocol: netns.TCP, Action: netns.Enqueue})
				if _, err := client.Write([]byte("lost")); err != nil {
					t.Fatal(err)
				}
				if test.reset {
					if err := client.SetLinger(0); err != nil {
						t.Fatal(err)
					}
				}
				client.Close()
				f := fake(func(t testing.TB) { awaitTCP(t, 0) })
				if len(f.failures) != test.want || test.want > 0 && !strings.Contains(f.failures[0], " 5 bytes") {
					t.Errorf("failures %q, want %d, of 4 bytes and a FIN", f.failures, test.want)
				}
			})
		}
	}
}
