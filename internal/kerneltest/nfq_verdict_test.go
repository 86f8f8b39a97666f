package kerneltest

import (
	"bytes"
	"testing"

	"github.com/ipqueue/ipqueue/internal/sock"
)

// TestVerdictWords checks the effect of each verdict word, including bits above the
// low 8, while queue 1 is bound and queue 9 is not.
func TestVerdictWords(t *testing.T) {
	for _, tt := range []struct {
		word uint32
		want Fate
	}{
		{0, Dropped}, {0x10000, Dropped}, {0xffff_ff00, Dropped},
		{1, Accepted}, {0x10001, Stopped}, {0x8001, Stopped},
		{4, Pending}, {0x10004, Dropped},
		{5, Stopped}, {0x10005, Stopped},
		{0x10003, Pending}, {0x90003, Unheard}, {0x98003, Bypassed}, {0x18003, Pending},
	} {
		k, s := boundNFQ(t, Options{})
		bind(t, s, 1)
		j := k.Inject(Packet{Payload: ipv4("")})
		decide(t, s, 0, tt.word, 1)
		if got := j.Fate(); got != tt.want {
			t.Errorf("verdict %#x: %v, want %v", tt.word, got, tt.want)
		}
		r := j.Result()
		if len(r.Verdicts) != 1 || r.Verdicts[0] != (Verdict{Word: tt.word, Seq: 1}) {
			t.Errorf("verdict %#x: verdicts are %+v", tt.word, r.Verdicts)
		}
		if n := len(r.IDs); (n == 2) != (tt.want == Pending) {
			t.Errorf("verdict %#x: queued %d times", tt.word, n)
		}
	}
}

func TestVerdictReplace(t *testing.T) {
	long := make([]byte, nfqMaxRange)
	for name, tt := range map[string]struct {
		original, payload []byte
		fate              Fate
	}{
		"same":           {ipv4("abc"), ipv4("xyz"), Accepted},
		"longer":         {ipv4("abc"), ipv4("much more"), Accepted},
		"longest":        {ipv4("abc"), long, Accepted},
		"header only":    {ipv4("abc"), ipv4("")[:20], Accepted},
		"no header":      {ipv4("abc"), ipv4("")[:19], Unreplaced},
		"empty":          {ipv4("abc"), []byte{}, Unreplaced},
		"IPv6 header":    {ipv6("abc"), ipv6("")[:40], Accepted},
		"no IPv6 header": {ipv6("abc"), ipv6("")[:39], Unreplaced},
	} {
		t.Run(name, func(t *testing.T) {
			k, s := boundNFQ(t, Options{}, flagsAttr(flagGSO))
			j := k.Inject(Packet{Payload: tt.original, Checksum: Partial})
			decide(t, s, 0, verdictAccept, 1, appendAttribute(nil, attrPayload, tt.payload...))
			wantFate(t, j, tt.fate)
			want := tt.payload
			if tt.fate == Unreplaced {
				want = tt.original
			}
			r := j.Result()
			if !bytes.Equal(r.Packet.Payload, want) || r.Replaced != (tt.fate == Accepted) {
				t.Errorf("left as %d bytes, replaced %v; want %d", len(r.Packet.Payload), r.Replaced, len(want))
			}
			if r.Replaced && r.Packet.Checksum != Complete {
				t.Errorf("checksum state is %v, want Complete: nobody completes it any more", r.Packet.Checksum)
			}
		})
	}
}

func TestVerdictMarkAndPriority(t *testing.T) {
	paint := [][]byte{appendUint32(nil, attrMark, 7), appendUint32(nil, attrPriority, 6)}
	for v, priority := range map[Version]uint32{{6, 18}: 6, {5, 10}: 1} {
		k, s := boundNFQ(t, Options{Linux: v})
		p := Packet{Mark: 1, Priority: 1, Payload: ipv4("")}
		one, many := k.Inject(p), k.Inject(p)
		decide(t, s, 0, verdictAccept, 1, paint...)
		batch := nfqRequest(nfqBatch, 0, append(paint, verdictAttr(verdictAccept, 2))...)
		if errno := request(t, s, native, batch); errno != 0 {
			t.Errorf("batch: %v", errno)
		}
		for _, j := range []*Journey{one, many} {
			if p := j.Result().Packet; p.Mark != 7 || p.Priority != priority {
				t.Errorf("Linux %v: mark %d, priority %d; want 7, %d", v, p.Mark, p.Priority, priority)
			}
		}
	}
}

// TestBatchWraps checks a batch across the wrap of the ids. It must not decide packets
// after its id.
func TestBatchWraps(t *testing.T) {
	k, s := boundNFQ(t, Options{})
	k.SetLastID(0, 0xffff_fffd)
	var js []*Journey
	for range 4 { // fffffffe, ffffffff, 0, 1
		js = append(js, k.Inject(Packet{Payload: ipv4("")}))
	}
	if errno := request(t, s, native, nfqRequest(nfqBatch, 0, verdictAttr(verdictAccept, 0))); errno != 0 {
		t.Errorf("batch: %v", errno)
	}
	for i, j := range js {
		wantFate(t, j, map[bool]Fate{true: Accepted, false: Pending}[i < 3])
	}
	if v := js[0].Result().Verdicts; len(v) != 1 || !v[0].Batch {
		t.Errorf("verdicts are %+v, want one of a batch", v)
	}
	if errno := request(t, s, native, nfqRequest(nfqBatch, 0, verdictAttr(verdictAccept, 0))); errno != errNoEnt {
		t.Errorf("second batch: %v, want ENOENT", errno)
	}
}

// TestBatchRequeue requeues packets by batch into the same queue. The batch must not
// decide them again.
func TestBatchRequeue(t *testing.T) {
	k, s := boundNFQ(t, Options{})
	j := k.Inject(Packet{Payload: ipv4("")})
	if errno := request(t, s, native, nfqRequest(nfqBatch, 0, verdictAttr(verdictQueue, 1000))); errno != 0 {
		t.Errorf("batch: %v", errno)
	}
	if ids := j.Result().IDs; len(ids) != 2 || ids[1] != 2 {
		t.Errorf("ids are %v, want 1 and 2", ids)
	}
}

func TestVerdictConntrack(t *testing.T) {
	good := appendUint32(nil, 8, 99) // CTA_MARK
	expect := appendAttribute(nil, attrExpect, 1)
	for name, tt := range map[string]struct {
		o     Options
		known *Conntrack
		sent  []byte
		taken bool
	}{
		"good":         {Options{}, &Conntrack{}, good, true},
		"short one":    {Options{}, &Conntrack{}, appendAttribute(nil, 8), false},
		"no attribute": {Options{}, &Conntrack{}, []byte{1, 2, 3}, true}, // ignored
		"no entry":     {Options{}, nil, good, false},
		"no conntrack": {Options{NoConntrack: true}, &Conntrack{}, good, false},
	} {
		t.Run(name, func(t *testing.T) {
			k, s := boundNFQ(t, tt.o)
			j := k.Inject(Packet{Conntrack: tt.known, Payload: ipv4("")})
			decide(t, s, 0, verdictAccept, 1, appendAttribute(nil, attrConntrack, tt.sent...), expect)
			r := j.Result()
			if got := r.Conntrack != nil && r.Expect != nil; got != tt.taken {
				t.Errorf("conntrack %x and expectation %x; want them taken: %v", r.Conntrack, r.Expect, tt.taken)
			}
			wantFate(t, j, Accepted)
		})
	}
}

func TestVerdictBridge(t *testing.T) {
	tci := appendAttribute(nil, attrVLANTCI, 0, 5)
	protocol := appendAttribute(nil, attrVLANProtocol, 0x81, 0)
	head := bytes.Repeat([]byte{1}, 14)
	for name, tt := range map[string]struct {
		family Family
		attr   []byte
		want   Errno
		fate   Fate
	}{
		"tag":              {Bridge, appendAttribute(nil, attrVLAN, append(tci, protocol...)...), 0, Accepted},
		"half a tag":       {Bridge, appendAttribute(nil, attrVLAN, tci...), errInval, Dropped},
		"short tag":        {Bridge, appendAttribute(nil, attrVLAN, appendAttribute(nil, attrVLANTCI, 5)...), errRange, Dropped},
		"no attribute":     {Bridge, appendAttribute(nil, attrVLAN, 1, 2, 3), errRange, Pending},
		"header":           {Bridge, appendAttribute(nil, attrLinkHeader, head...), 0, Accepted},
		"header too short": {Bridge, appendAttribute(nil, attrLinkHeader, head[1:]...), errInval, Dropped},
		"not a bridge":     {IPv4, appendAttribute(nil, attrLinkHeader, 1), 0, Accepted},
	} {
		t.Run(name, func(t *testing.T) {
			k, s := boundNFQ(t, Options{})
			j := k.Inject(Packet{Family: tt.family, LinkHeader: make([]byte, 14), Payload: ipv4("")})
			got := request(t, s, native, nfqRequest(nfqVerdict, 0, verdictAttr(verdictAccept, 1), tt.attr))
			if got != tt.want {
				t.Errorf("verdict: %v, want %v", got, tt.want)
			}
			wantFate(t, j, tt.fate)
			p := j.Result().Packet
			if name == "tag" && (p.VLAN == nil || *p.VLAN != VLAN{0x8100, 5}) {
				t.Errorf("tag is %v, want 8100 and 5", p.VLAN)
			}
			if name == "header" && !bytes.Equal(p.LinkHeader, head) {
				t.Errorf("link header is %x, want %x", p.LinkHeader, head)
			}
		})
	}
}

// TestVerdictCoalesced sends many verdicts in one datagram, one of them for
// another socket's queue.
func TestVerdictCoalesced(t *testing.T) {
	k, s := boundNFQ(t, Options{})
	other := open(t, k, sock.Config{Protocol: sock.ProtoNetfilter})
	bind(t, other, 1)
	first, second := k.Inject(Packet{Payload: ipv4("")}), k.Inject(Packet{Payload: ipv4("")})
	foreign := k.Inject(Packet{Queue: 1, Payload: ipv4("")})
	_ = packets(t, s)
	send(t, s, bytes.Join([][]byte{
		silently(nfqRequest(nfqVerdict, 0, verdictAttr(verdictDrop, 2))),
		silently(nfqRequest(nfqVerdict, 1, verdictAttr(verdictAccept, 1))),
		silently(nfqRequest(nfqVerdict, 0, verdictAttr(verdictAccept, 1))),
	}, nil))
	wantFate(t, first, Accepted)
	wantFate(t, second, Dropped)
	wantFate(t, foreign, Pending)
	if n := len(receive(t, s)); n != 1 || k.Replied(errPerm) != 1 {
		t.Errorf("%d replies, %d EPERM; want one for the foreign queue", n, k.Replied(errPerm))
	}
}
