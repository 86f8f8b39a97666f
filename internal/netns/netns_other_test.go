//go:build !linux

package netns_test

import (
	"context"
	"errors"
	"net/netip"
	"testing"

	"github.com/ipqueue/ipqueue/internal/netns"
)

func TestUnsupported(t *testing.T) {
	var (
		n     netns.Namespace
		link  netns.Link
		table netns.Table
		chain netns.Chain
	)
	for name, f := range map[string]func() error{
		"Enter":       netns.Enter,
		"Inside":      netns.Inside,
		"New":         func() error { _, err := netns.New(); return err },
		"SetSysctl":   func() error { return n.SetSysctl("ipv4/ip_forward", "1") },
		"AddVeth":     func() error { _, _, err := n.AddVeth("a", &n, "b"); return err },
		"AddBridge":   func() error { _, err := n.AddBridge("br0"); return err },
		"AddRoute":    func() error { return n.AddRoute(netip.Prefix{}, netip.Addr{}) },
		"SetUp":       link.SetUp,
		"WaitRunning": func() error { return link.WaitRunning(context.Background()) },
		"AddTable":    func() error { _, err := n.AddTable(netns.Inet, "t"); return err },
		"Delete":      table.Delete,
		"AddChain":    func() error { _, err := table.AddChain(netns.Input, 0); return err },
		"Add":         func() error { return chain.Add(netns.Rule{}) },
		"Counts":      func() error { _, err := chain.Counts(); return err },
	} {
		if err := f(); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s = %v, want errors.ErrUnsupported", name, err)
		}
	}
}
