package main

import (
	"strings"
	"testing"
)

func TestWarnings(t *testing.T) {
	const (
		most = "accept in lo\naccept out lo\naccept udp to port 53\naccept udp to port 67\naccept udp to port 546-547\n"
		all  = most + "accept tcp to port 22\n"
		ssh  = "no line accepts ssh to this machine; if packets of this kind reach the queue, add: accept tcp to port 22"
	)
	for _, test := range []struct{ text, want string }{
		{all + "default drop", ""},
		{all + "default reject", ""},
		{"default accept", ""},
		{most + "default drop", ssh},
		{most + "accept udp to port 22\ndefault drop", ssh},
		{most + "accept out eth0 tcp to port 22\ndefault drop", ssh},
		{most + "accept tcp from port 22\ndefault drop", ssh},
		{most + "accept in eth1 tcp from 10.0.0.0/8 to port 20-30\ndefault drop", ""},
		{most + "accept tcp\ndefault drop", ""},
		{most + "drop tcp\ndefault drop", ssh},
		{"accept in lo\n" + strings.TrimPrefix(all, "accept in lo\naccept out lo\n") + "default drop", ""},
		{"accept\ndefault drop", ""},
		{"accept in lo\naccept out *\naccept in eth0 tcp to port 22\ndefault drop", "no line accepts IPv6 addresses (DHCPv6); if packets of this kind reach the queue, add: accept udp to port 546-547"},
		{"accept in eth0\naccept out eth0\ndefault drop", "no line accepts loopback; if packets of this kind reach the queue, add: accept in lo; accept out lo"},
		{"drop icmpv6 from fe80::/10\ndefault accept", "line 1 disables IPv6 on Ethernet: it drops neighbour discovery"},
		{"\nreject to ff00::/8\ndefault accept", "line 2 disables IPv6 on Ethernet: it rejects neighbour discovery"},
		{"drop icmp\ndefault accept", ""},
	} {
		if got := strings.Join(parsePolicy(t, test.text).warnings(true), "\n"); got != test.want {
			t.Errorf("%q: %q, want %q", test.text, got, test.want)
		}
	}
	got := parsePolicy(t, "accept tcp to port 443\ndefault drop").warnings(true)
	if len(got) != 1 || !strings.HasPrefix(got[0], "no line accepts ssh to this machine, names (DNS), addresses (DHCP), IPv6 addresses (DHCPv6), loopback; ") {
		t.Errorf("warnings %q, want one of all five kinds", got)
	}
}

// TestWarningsWithoutMarks checks the warning that, without marks, the policy
// needs lines for replies.
func TestWarningsWithoutMarks(t *testing.T) {
	const all = "accept in lo\naccept out lo\naccept udp\naccept in eth0 tcp to port 22\n"
	const want = "no line accepts the answers to what line 4 accepts: with -mark 0 each packet is judged by itself"
	for _, test := range []struct{ text, want string }{
		{all + "default drop", want},
		{all + "accept tcp from port 22\ndefault drop", ""},
		{all + "accept tcp from port 23\ndefault drop", want},
		{all + "default accept", ""},
	} {
		if got := strings.Join(parsePolicy(t, test.text).warnings(false), "\n"); got != test.want {
			t.Errorf("%q: %q, want %q", test.text, got, test.want)
		}
	}
}
