package sock

import "testing"

func TestParseRelease(t *testing.T) {
	for text, want := range map[string]Release{
		"6.12.117+deb12-cloud-amd64\n": {6, 12},
		"3.4.113":                      {3, 4},
		"7.2-rc1":                      {7, 2},
		"6":                            {},
		"":                             {},
		"Plan 9":                       {},
	} {
		if got, ok := ParseRelease(text); got != want || ok != (want != Release{}) {
			t.Errorf("ParseRelease(%q) = %v, %t, want %v", text, got, ok, want)
		}
	}
}

func TestReleaseOrder(t *testing.T) {
	for _, test := range []struct {
		release         Release
		before, atLeast bool // 7.2
	}{
		{Release{6, 18}, true, false},
		{Release{7, 1}, true, false},
		{Release{7, 2}, false, true},
		{Release{7, 10}, false, true},
		{Release{8, 0}, false, true},
		{Release{}, false, false}, // not known
	} {
		if before, atLeast := test.release.Before(7, 2), test.release.AtLeast(7, 2); before != test.before || atLeast != test.atLeast {
			t.Errorf("%v: Before(7, 2) = %t, AtLeast = %t, want %t, %t", test.release, before, atLeast, test.before, test.atLeast)
		}
	}
}
