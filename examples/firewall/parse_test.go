package main

import (
	"strings"
	"testing"
)

func TestReadPolicyNamesTheLine(t *testing.T) {
	const (
		address = `want an address such as 192.0.2.1 or 2001:db8::1, or a prefix such as 192.0.2.0/24, not `
		port    = `want a port from 1 to 65535, or two as in 8000-8080, not `
		link    = `want the name of an interface, at most 15 bytes, or its beginning and a *, not `
	)
	for _, test := range []struct{ text, want string }{
		{"", `1: no default: end with "default drop" or "default accept"`},
		{"accept tcp\n", `2: no default: end with "default drop" or "default accept"`},
		{"default drop\n\ndefault drop", "3: a second default"},
		{"default", "1: want default accept, default drop or default reject"},
		{"default deny", `1: want accept, drop or reject, not "deny"`},
		{"# first\nallow tcp", `2: want accept, drop or reject, not "allow"`},
		{"accept ftp", `1: unknown protocol or condition "ftp": want in, out, from, to, type, a protocol's number or one of ah, esp, gre, icmp, icmpv6, sctp, tcp, udp`},
		{"accept tcp port 80", `1: want from or to before "port"`},
		{"accept 0", `1: unknown protocol or condition "0": want in, out, from, to, type, a protocol's number or one of ah, esp, gre, icmp, icmpv6, sctp, tcp, udp`},
		{"accept 256", `1: unknown protocol or condition "256": want in, out, from, to, type, a protocol's number or one of ah, esp, gre, icmp, icmpv6, sctp, tcp, udp`},
		{"accept tcp udp", "1: a second protocol"},
		{"accept in a in b", "1: a second in"},
		{"accept tcp 192.0.2.1", `1: want from or to before "192.0.2.1"`},
		{"accept 2001:db8::/32", `1: want from or to before "2001:db8::/32"`},
		{"accept tcp to", "1: to: want an address, a prefix or a port"},
		{"accept from to 192.0.2.1", "1: from: want an address, a prefix or a port"},
		{"accept tcp to port", "1: to: want a number after port"},
		{"accept tcp to port 0", `1: to: ` + port + `"0"`},
		{"accept tcp to port 65536", `1: to: ` + port + `"65536"`},
		{"accept tcp to port 9-8", `1: to: ` + port + `"9-8"`},
		{"accept tcp to port http", `1: to: ` + port + `"http"`},
		{"accept to port 80", "1: a port needs a protocol that has ports: tcp, udp or sctp"},
		{"accept icmp from port 80", "1: a port needs a protocol that has ports: tcp, udp or sctp"},
		{"accept from port 32768 to port 32768", "1: a port needs a protocol that has ports: tcp, udp or sctp"},
		{"drop from 10.0.0.1/8", "1: from: 10.0.0.1/8 has bits set after its prefix: write 10.0.0.0/8"},
		{"drop from here", `1: from: ` + address + `"here"`},
		{"drop from 192.0.2.256", `1: from: ` + address + `"192.0.2.256"`},
		{"drop from 192.0.2.0/", `1: from: want a length from 0 to 32 after the /, not ""`},
		{"drop from 192.0.2.0/33", `1: from: want a length from 0 to 32 after the /, not "33"`},
		{"drop from 192.0.2.0/+8", `1: from: want a length from 0 to 32 after the /, not "+8"`},
		{"drop from 2001:db8::/129", `1: from: want a length from 0 to 128 after the /, not "129"`},
		{"drop from fe80::1%eth0", `1: from: "fe80::1%eth0" names an interface: write it after in or out`},
		{"drop from ::ffff:192.0.2.1", `1: from: "::ffff:192.0.2.1" is an IPv4 address in IPv6 form: write it as IPv4`},
		{"drop from 192.0.2.1 to 2001:db8::1", "1: from and to mix IPv4 and IPv6"},
		{"drop icmp to 2001:db8::1", "1: icmp is a protocol of IPv4, icmpv6 one of IPv6: the address is of the other"},
		{"drop in", "1: in: want the name of an interface"},
		{"drop out eth*0", `1: out: ` + link + `"eth*0"`},
		{"drop in averyveryverylongname", `1: in: ` + link + `"averyveryverylongname"`},
		{"drop type echo-request", "1: a type needs the protocol icmp or icmpv6"},
		{"drop tcp type 8", "1: a type needs the protocol icmp or icmpv6"},
		{"drop icmp type", "1: type: want an ICMP type"},
		{"drop icmp type 3/256", `1: want a code from 0 to 255 after the /, not "256"`},
		{"default drop\n" + strings.Repeat("#", 1<<20), "2: line is longer than 64 KiB"},
	} {
		if _, err := readPolicy(strings.NewReader(test.text)); err == nil || err.Error() != test.want {
			t.Errorf("readPolicy(%.60q) = %v, want %s", test.text, err, test.want)
		}
	}
	_, err := readPolicy(strings.NewReader("accept icmp type nd-redirect"))
	if err == nil || !strings.HasPrefix(err.Error(), `1: unknown type "nd-redirect": want a number from 0 to 255 or one of destination-unreachable, echo-reply, `) {
		t.Errorf("a type of the other protocol: %v", err)
	}
}

// FuzzReadPolicy checks that every error names a line, and contains no names of
// Go types or functions.
func FuzzReadPolicy(f *testing.F) {
	f.Add("accept in eth0 tcp from 10.0.0.0/8 port 1-2 to 192.0.2.1 port 22\ndefault reject")
	f.Add("drop icmpv6 type nd-redirect/0 out lo*\r\ndefault drop")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := readPolicy(strings.NewReader(text))
		if err == nil {
			p.decide(traveller{})
			p.warnings(false)
			return
		}
		before, _, found := strings.Cut(err.Error(), ": ")
		if !found || strings.Trim(before, "0123456789") != "" {
			t.Errorf("%q: no line in %q", text, err)
		}
		for _, inside := range []string{"strconv", "netip", "bufio", "ParseUint"} {
			if strings.Contains(err.Error(), inside) && !strings.Contains(text, inside) {
				t.Errorf("%q: %q tells of %s", text, err, inside)
			}
		}
	})
}
