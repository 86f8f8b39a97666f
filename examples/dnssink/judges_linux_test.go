package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/ipqueue/ipqueue/examples/dnssink/names"
	"github.com/ipqueue/ipqueue/internal/netns"
	"github.com/ipqueue/ipqueue/internal/testutil"
)

// program returns the path of an installed program. Such programs check DNS
// messages more strictly than a test can.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		testutil.Lacks(t, testutil.Program(name), err)
	}
	return path
}

// A forwarder is a DNS server that forwards questions to 127.0.0.1:53.
type forwarder struct {
	program string
	config  string // uses the directory and the port
	args    func(config string) []string

	// reads is the configuration, and list the text of a list, of a forwarder
	// that can block names itself. The list is in the directory.
	reads, list string
}

var forwarders = []forwarder{
	{"named", `options { directory "%[1]s"; pid-file none; lock-file none; session-keyfile none; managed-keys-directory "%[1]s";
 listen-on port %[2]d { 127.0.0.1; }; listen-on-v6 { none; }; recursion yes; forwarders { 127.0.0.1; }; forward only; dnssec-validation no; %[3]s };
controls { };
`, func(config string) []string { return []string{"-g", "-c", config} },
		`response-policy { zone "rpz.test"; }; }; zone "rpz.test" { type primary; file "%s/list";`,
		"$TTL 60\n@ SOA localhost. root.localhost. ( 1 2 3 ; comment\n 4 5 )\n  NS localhost.\n" +
			"a.example CNAME .\n*.b.example IN CNAME *.\nc.example 30 IN CNAME .\n*.c.example CNAME .\nd.c.example CNAME rpz-passthru.\n" +
			"*.e.c.example CNAME rpz-passthru.\nf.e.c.example CNAME .\nE.example A 0.0.0.0\n          AAAA ::\n"},
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
%[3]s
remote-control:
 control-enable: no
forward-zone:
 name: "."
 forward-addr: 127.0.0.1
`, func(config string) []string { return []string{"-d", "-c", config} },
		` include: "%s/list"`,
		"server:\n local-zone: \"a.example\" always_nxdomain\n local-zone: b.example. refuse # comment\n local-zone: \"c.example\" redirect\n local-data: \"c.example A 0.0.0.0\"\n" +
			"local-zone: \"d.c.example\" transparent\nlocal-zone: \"f.e.c.example\" static\nlocal-zone: \"e.c.example\" always_transparent\n" +
			"local-zone: \"e.example\" typetransparent\nlocal-data: 'e.example. 3600 IN A 0.0.0.0'\n"},
	{"dnsmasq", `# in %[1]s
port=%[2]d
listen-address=127.0.0.1
bind-interfaces
no-resolv
no-hosts
pid-file=
server=127.0.0.1
user=root
group=root
%[3]s
`, func(config string) []string { return []string{"-d", "-C", config} },
		`conf-file=%s/list`,
		"address=/a.example/\naddress=/.b.example/0.0.0.0 # comment\nserver=/c.example/e.example/\nserver=/d.c.example/e.c.example/#\nlocal=/f.e.c.example/\n"},
}

// start runs the forwarder, waits until it answers, and returns its resolver.
func (f forwarder) start(t *testing.T) *net.Resolver {
	t.Helper()
	const port = 5300
	dir := t.TempDir()
	config := filepath.Join(dir, "config")
	reads := ""
	if f.reads != "" {
		reads = fmt.Sprintf(f.reads, dir)
	}
	if err := os.WriteFile(config, fmt.Appendf(nil, f.config, dir, port, reads), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "list"), []byte(f.list), 0o600); err != nil {
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

// copied returns a copy of a program. The AppArmor profiles of the system do
// not apply to it, so it may read a configuration anywhere.
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

// TestForwarders checks that forwarders accept a replaced response: they cache
// it, and do not repeat the question over TCP.
func TestForwarders(t *testing.T) {
	for _, f := range forwarders {
		for a, want := range map[answer][2]string{noName: {"none", "none"}, zero: {"0.0.0.0", "::"}} {
			t.Run(f.program+" "+a.String(), func(t *testing.T) {
				program(t, f.program)
				feed(t)
				start(t, "-answer", a.String())
				server := serve(t, testutil.Loopback(t).IPv4)
				f.reads, f.list = "", ""
				r := f.start(t)
				ask := func() {
					wantLookup(t, r, "ip4", "good.example.", "192.0.2.1")
					wantLookup(t, r, "ip4", "blocked.example.", want[0])
					wantLookup(t, r, "ip6", "blocked.example.", want[1])
					wantLookup(t, r, "ip4", "www.example.", want[0])
				}
				ask()
				asked := server.all()
				ask()
				if again := server.all(); len(again) != len(asked) {
					t.Errorf("the server was asked again: %v", again[len(asked):])
				}
				if i := slices.IndexFunc(asked, func(q string) bool { return strings.HasPrefix(q, "tcp ") }); i >= 0 {
					t.Errorf("the server was asked by TCP: %s", asked[i])
				}
			})
		}
	}
}

// TestListsAsMeant checks that a list blocks the same names here as in the
// program for which it was made.
func TestListsAsMeant(t *testing.T) {
	for _, f := range forwarders {
		t.Run(f.program, func(t *testing.T) {
			program(t, f.program)
			testutil.RequireKernel(t)
			serve(t, testutil.Loopback(t).IPv4)
			set := new(names.Set)
			if err := set.Read(strings.NewReader(f.list)); err != nil {
				t.Fatal(err)
			}
			r := f.start(t)
			isBlocked := func(name string) bool {
				addr, err := r.LookupNetIP(t.Context(), "ip4", name+".")
				return err != nil || addr[0].String() != "192.0.2.1"
			}
			// BIND answers questions before it has read the list.
			testutil.Await(t, f.program+" blocks", func() bool { return isBlocked("a.example") })
			for _, name := range strings.Fields("a.example x.a.example xa.example b.example x.b.example y.x.b.example c.example x.c.example " +
				"d.c.example x.d.c.example e.c.example x.e.c.example f.e.c.example x.f.e.c.example e.example x.e.example g.example") {
				is := isBlocked(name)
				if f.program == "named" && (name == "x.d.c.example" || name == "e.c.example") {
					is = true // the wildcard does not match, because the zone has names below or above: see package names
				}
				if got := set.Has(name); got != is {
					t.Errorf("Has(%s) = %t, %s blocks it: %t", name, got, f.program, is)
				}
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
