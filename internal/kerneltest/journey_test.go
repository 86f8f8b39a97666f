package kerneltest

import (
	"strings"
	"testing"
	"testing/synctest"
)

func TestFateString(t *testing.T) {
	for f := Pending; f <= Segmented; f++ {
		if s := f.String(); s == "" || strings.HasPrefix(s, "Fate(") {
			t.Errorf("fate %d is called %q", uint8(f), s)
		}
	}
	if got := (Segmented + 1).String(); got != "Fate(13)" {
		t.Errorf("unknown fate is called %q", got)
	}
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, s := boundNFQ(t, Options{})
		j := k.Inject(Packet{Payload: ipv4("")})
		done := make(chan Fate)
		go func() { done <- j.Wait() }()
		synctest.Wait()
		select {
		case f := <-done:
			t.Fatalf("Wait returned %v before the verdict", f)
		default:
		}
		decide(t, s, 0, verdictDrop, 1)
		if f := <-done; f != Dropped {
			t.Errorf("Wait = %v, want Dropped", f)
		}
	})
}
