package sys

import (
	"testing"
	"time"
)

func TestAccountSub(t *testing.T) {
	const ms = time.Millisecond
	for _, test := range []struct {
		name             string
		a, b, difference Account
	}{
		{"none", Account{}, Account{}, Account{}},
		{"ticks that disagree with the total",
			Account{Total: 190 * ms, User: 40 * ms, System: 120 * ms},
			Account{Total: 90 * ms, User: 20 * ms, System: 60 * ms},
			Account{Total: 100 * ms, User: 25 * ms, System: 75 * ms}},
		{"less than a tick", Account{Total: 3 * ms}, Account{Total: 1 * ms}, Account{Total: 2 * ms, System: 2 * ms}},
	} {
		if got := test.a.Sub(test.b); got != test.difference {
			t.Errorf("%s: %+v, want %+v", test.name, got, test.difference)
		}
	}
}
