//go:build !linux

package sock

import (
	"errors"
	"testing"
)

func TestHostIsUnsupported(t *testing.T) {
	_, open := Host().Open(Config{Protocol: ProtoNetfilter})
	_, read := Host().ReadFile("/proc/version")
	_, holder := Host().Holder(ProtoNetfilter, 1)
	for call, err := range map[string]error{
		"Open":      open,
		"ReadFile":  read,
		"Holder":    holder,
		"WriteFile": Host().WriteFile("/proc/version", nil),
	} {
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s = %v, want errors.ErrUnsupported", call, err)
		}
	}
}
