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

// TestWatch checks that Watch reports a verdict that does not end the journey, and
// the end.
func TestWatch(t *testing.T) {
	k, s := boundNFQ(t, Options{})
	j := k.Inject(Packet{PassMark: 9, Payload: ipv4("")})
	for id, mark := range []uint32{1, 9} {
		r, next := j.Watch()
		if r.Fate != Pending || len(r.Verdicts) != id {
			t.Fatalf("fate %v after %d verdicts, want Pending after %d", r.Fate, len(r.Verdicts), id)
		}
		select {
		case <-next:
			t.Fatal("the channel is closed before anything happened")
		default:
		}
		decide(t, s, 0, verdictRepeat, uint32(id+1), appendUint32(nil, attrMark, mark))
		<-next
	}
	if r, _ := j.Watch(); r.Fate != Accepted {
		t.Errorf("fate %v, want Accepted", r.Fate)
	}
}
