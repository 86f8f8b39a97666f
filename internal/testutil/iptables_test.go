package testutil

import (
	"slices"
	"strings"
	"testing"
)

func TestCommandsOf(t *testing.T) {
	const source = `// Command x does y:
//
//	iptables -A OUTPUT -p udp -j NFQUEUE    # a comment
//	nft add rule inet filter output queue num 0
//	ip6tables -I INPUT -j NFQUEUE --queue-num 0
//
// iptables is not a command here.
package main

//	iptables -A INPUT -j DROP
`
	want := []string{"iptables -A OUTPUT -p udp -j NFQUEUE", "ip6tables -I INPUT -j NFQUEUE --queue-num 0"}
	var got []string
	for _, command := range commandsOf(source) {
		got = append(got, strings.Join(command, " "))
	}
	if !slices.Equal(got, want) {
		t.Errorf("commands %q, want %q", got, want)
	}
}

func TestUndo(t *testing.T) {
	for command, want := range map[string]string{
		"iptables -A OUTPUT -j ACCEPT": "iptables -D OUTPUT -j ACCEPT",
		"ip6tables -I INPUT -j DROP":   "ip6tables -D INPUT -j DROP",
	} {
		if got := strings.Join(undo(strings.Fields(command)).Args, " "); got != want {
			t.Errorf("undo(%q) = %q, want %q", command, got, want)
		}
	}
}
