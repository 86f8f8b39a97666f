package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/ipqueue/ipqueue/internal/netns"
	"github.com/ipqueue/ipqueue/internal/testutil"
)

// program returns the path of a program of the system, which is a stricter judge of
// DNS messages than a test can be.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("without %s there is nobody to judge: %v", name, err)
	}
	return path
}

// A forwarder is a DNS server that asks the one at 127.0.0.1:53.
type forwarder struct {
	program string
	config  string // with the directory and the port in it
	args    func(config string) []string
}

var forwarders = []forwarder{
	{"named", `options { directory "%[1]s"; pid-file none; lock-file none; session-keyfile none; managed-keys-directory "%[1]s";
 listen-on port %[2]d { 127.0.0.1; }; listen-on-v6 { none; }; recursion yes; forwarders { 127.0.0.1; }; forward only; dnssec-validation no; };
controls { };
`, func(config string) []string { return []string{"-g", "-c", config} }},
	{"unbound", `server:
 directory: "%[1]s"
 chroot: ""
 username: ""
 pidfile: ""
 use-syslog: no
 interface: 127.0.0.1
 port: %[2]d
 do-not-query-localhost: no
 module-config: "iterator"
 do-ip6: no
remote-control:
 control-enable: no
forward-zone:
 name: "."
 forward-addr: 127.0.0.1
`, func(config string) []string { return []string{"-d", "-c", config} }},
}

// start runs the forwarder and returns its resolver, once it answers.
func (f forwarder) start(t *testing.T) *net.Resolver {
	t.Helper()
	const port = 5300
	dir := t.TempDir()
	config := filepath.Join(dir, "config")
	if err := os.WriteFile(config, fmt.Appendf(nil, f.config, dir, port), 0o600); err != nil {
		t.Fatal(err)
	}
	testutil.Start(t, copied(t, program(t, f.program), dir), f.args(config)...)
	r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port).String())
	}}
	testutil.Await(t, f.program+" answers", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := r.LookupNetIP(ctx, "ip4", "ready.example.")
		return err == nil
	})
	return r
}

// copied returns a copy of a program, to which no AppArmor profile of the system
// applies: it may read a configuration anywhere.
func copied(t *testing.T, program, dir string) string {
	t.Helper()
	b, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, filepath.Base(program))
	if err := os.WriteFile(file, b, 0o700); err != nil {
		t.Fatal(err)
	}
	return file
}

// Forwarders believe the made-up answer: they keep it, and ask nobody by TCP.
func TestForwarders(t *testing.T) {
	for _, f := range forwarders {
		t.Run(f.program, func(t *testing.T) {
			program(t, f.program)
			feed(t)
			start(t)
			server := serve(t, testutil.Loopback(t).IPv4)
			r := f.start(t)
			for range 3 {
				wantLookup(t, r, "ip4", "good.example.", "192.0.2.1")
				wantLookup(t, r, "ip4", "blocked.example.", "none")
				wantLookup(t, r, "ip4", "www.example.", "none")
			}
			for _, name := range []string{"good.example.", "blocked.example.", "www.example."} {
				if udp, tcp := server.asked("udp", name), server.asked("tcp", name); udp != 1 || tcp != 0 {
					t.Errorf("%s was asked for %d times by UDP and %d times by TCP, want once by UDP", name, udp, tcp)
				}
			}
		})
	}
}

// The same for the address that leads nowhere.
func TestForwardersZero(t *testing.T) {
	for _, f := range forwarders {
		t.Run(f.program, func(t *testing.T) {
			program(t, f.program)
			feed(t)
			start(t, "-answer", "zero")
			server := serve(t, testutil.Loopback(t).IPv4)
			r := f.start(t)
			for range 2 {
				wantLookup(t, r, "ip4", "blocked.example.", "0.0.0.0")
				wantLookup(t, r, "ip6", "blocked.example.", "::")
			}
			if udp, tcp := server.asked("udp", "blocked.example."), server.asked("tcp", "blocked.example."); udp != 2 || tcp != 0 {
				t.Errorf("blocked.example was asked for %d times by UDP and %d times by TCP, want 2 and 0", udp, tcp)
			}
		})
	}
}

func TestDig(t *testing.T) {
	dig := program(t, "dig")
	testutil.RequireKernel(t)
	testutil.FeedAt(t, netns.Input, netns.Rule{Protocol: netns.UDP, Action: netns.Enqueue}, netns.Rule{Protocol: netns.TCP, Action: netns.Enqueue})
	start(t)
	for _, addr := range testutil.Loopback(t).Addrs() {
		serve(t, addr)
		for _, test := range []struct {
			args string
			want []string
			not  string
		}{
			{"www.example A", []string{"status: NXDOMAIN", "ANSWER: 0, AUTHORITY: 1, ADDITIONAL: 1", "EDE: 15 (Blocked)", "(good)", "SOA"}, "WARNING"},
			{"+dnssec BLOCKED.example HTTPS", []string{"status: NXDOMAIN", "flags: do;", "BLOCKED.example."}, "WARNING"},
			{"+noedns www.example A", []string{"status: NXDOMAIN", "ADDITIONAL: 0"}, "EDE"},
			{"+nocookie www.example A", []string{"status: NXDOMAIN", "EDE: 15 (Blocked)"}, "COOKIE"},
			{"good.example A", []string{"status: NOERROR", "192.0.2.1"}, "WARNING"},
			{"+tcp good.example A", []string{"status: NOERROR", "192.0.2.1"}, "WARNING"},
			{"+tcp +tries=1 www.example A", []string{"no servers could be reached"}, "status:"},
		} {
			out, _ := exec.Command(dig, append([]string{"+tries=1", "+time=5", "@" + addr.String()}, strings.Fields(test.args)...)...).CombinedOutput()
			for _, want := range test.want {
				if !strings.Contains(string(out), want) {
					t.Errorf("dig %s prints no %q:\n%s", test.args, want, out)
				}
			}
			if strings.Contains(string(out), test.not) {
				t.Errorf("dig %s prints %q:\n%s", test.args, test.not, out)
			}
		}
	}
}

// withServerCookie completes the cookie of a question's OPT record.
func withServerCookie(records []dnsmessage.Resource) {
	for _, r := range records {
		if o, ok := r.Body.(*dnsmessage.OPTResource); ok {
			for i, option := range o.Options {
				if option.Code == optionCookie && len(option.Data) >= 8 {
					o.Options[i].Data = append(option.Data[:8:8], "server-cookie-16"...)
				}
			}
		}
	}
}
