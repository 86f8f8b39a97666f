package main

import (
	"maps"
	"testing"
)

func TestParseNetworks(t *testing.T) {
	for _, test := range []struct {
		list string
		want filter // nil means an error
	}{
		{"5", filter{5: true}},
		{"0,16777215,5,5", filter{0: true, 5: true, 1<<24 - 1: true}},
		{"16777216", nil},
		{"", nil},
		{"5,", nil},
		{"5, 6", nil},
		{"-1", nil},
		{"all", nil},
	} {
		got, err := parseNetworks(test.list)
		if !maps.Equal(got, test.want) || (err == nil) != (test.want != nil) {
			t.Errorf("%q: %v, %v, want %v", test.list, got, err, test.want)
		}
	}
}
