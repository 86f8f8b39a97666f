package netns

import (
	"testing"

	"github.com/mdlayher/netlink"
)

func TestParseRouteType(t *testing.T) {
	local := netlink.Message{Data: rtMsg{family: afInet6, dstLen: 128, typ: rtnLocal}.append(nil)}
	for _, test := range []struct {
		name    string
		replies []netlink.Message
		want    byte
		fails   bool
	}{
		{"local", []netlink.Message{local}, rtnLocal, false},
		{"no reply", nil, 0, true},
		{"two replies", []netlink.Message{local, local}, 0, true},
		{"short", []netlink.Message{{Data: local.Data[:sizeofRtMsg-1]}}, 0, true},
	} {
		got, err := parseRouteType(test.replies)
		if got != test.want || (err != nil) != test.fails {
			t.Errorf("%s: %d, %v, want %d, failing %t", test.name, got, err, test.want, test.fails)
		}
	}
}
