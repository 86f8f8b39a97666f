package main

import (
	"io"
	"net/netip"
	"reflect"
	"testing"
)

func TestParse(t *testing.T) {
	for _, test := range []struct {
		name   string
		args   []string
		number uint16
		want   policy
	}{
		{"defaults", nil, 0, policy{proxy: 1, direct: 2}},
		{"all", []string{"-queue", "65535", "-to", "192.0.2.0/24", "-to=2001:db8::1", "-port", "80", "-port", "443",
			"-mark", "0x10", "-direct", "7"}, 65535, policy{
			to:    []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::1/128")},
			ports: []uint16{80, 443},
			proxy: 16, direct: 7,
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			number, got, err := parse(test.args, io.Discard)
			if err != nil || number != test.number || !reflect.DeepEqual(got, test.want) {
				t.Errorf("parse = %d, %+v, %v, want %d, %+v", number, got, err, test.number, test.want)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, args := range [][]string{
		{"argument"},
		{"-queue", "65536"},
		{"-to", "example.com"},
		{"-to", "192.0.2.0/33"},
		{"-to", "::ffff:192.0.2.1"},
		{"-to", "::ffff:192.0.2.0/120"},
		{"-port", "http"},
		{"-port", "0"},
		{"-port", "65536"},
		{"-mark", "0"},
		{"-mark", "0x100000000"},
		{"-direct", "0"},
		{"-direct", "1"},
		{"-mark", "2"},
	} {
		if _, _, err := parse(args, io.Discard); err == nil {
			t.Errorf("parse took %q", args)
		}
	}
}
