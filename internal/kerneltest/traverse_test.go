package kerneltest

import (
	"testing"

	"github.com/ipqueue/ipqueue/internal/sock"
)

func TestInjectWithoutListener(t *testing.T) {
	for name, tt := range map[string]struct {
		modules Modules
		p       Packet
		want    Fate
	}{
		"no module":           {NoQueue, Packet{}, Unheard},
		"no module, bypass":   {NoQueue, Packet{Bypass: true}, Bypassed},
		"no queue":            {NFQueue, Packet{}, Unheard},
		"no queue, bypass":    {NFQueue, Packet{Bypass: true}, Bypassed},
		"no peer":             {IPQueue, Packet{}, Unheard},
		"no peer, bypass":     {IPQueue, Packet{Bypass: true}, Unheard},
		"other family":        {IPQueue, Packet{Family: IPv6, Bypass: true}, Bypassed},
		"not the rule's":      {NFQueue, Packet{PassMark: 5, Mark: 5}, Accepted},
		"GSO and no queue":    {NFQueue, Packet{GSO: 10}, Unheard},
		"both, IPv4 is ipq's": {NFQueue | IPQueue, Packet{Bypass: true}, Unheard},
	} {
		t.Run(name, func(t *testing.T) {
			j := New(Options{Modules: tt.modules}).Inject(tt.p)
			wantFate(t, j, tt.want)
			select {
			case <-j.Done():
			default:
				t.Error("not done")
			}
		})
	}
}

// TestRepeat marks a packet and repeats it: the rule lets it pass. Without the mark it
// is queued again.
func TestRepeat(t *testing.T) {
	k, s := boundNFQ(t, Options{})
	j := k.Inject(Packet{PassMark: 9, Payload: ipv4("")})
	decide(t, s, 0, verdictRepeat, 1)
	wantFate(t, j, Pending)
	decide(t, s, 0, verdictRepeat, 2, appendUint32(nil, attrMark, 9))
	wantFate(t, j, Accepted)
	if r := j.Result(); len(r.Verdicts) != 2 || len(r.IDs) != 2 {
		t.Errorf("%d verdicts for %d ids, want 2 for 2", len(r.Verdicts), len(r.IDs))
	}
}

// TestRequeue moves a packet to the queue of another socket.
func TestRequeue(t *testing.T) {
	k, s := boundNFQ(t, Options{})
	other := open(t, k, sock.Config{Protocol: sock.ProtoNetfilter})
	bind(t, other, 7)
	j := k.Inject(Packet{Payload: ipv4("")})
	decide(t, s, 0, 7<<16|verdictQueue, 1)
	if p := packets(t, other); len(p) != 1 {
		t.Fatalf("%d packets at the other queue, want 1", len(p))
	}
	decide(t, other, 7, verdictDrop, 1)
	wantFate(t, j, Dropped)
}

// TestSegmentsWithoutGSO splits a packet for a queue that did not request GSO.
// If a segment does not fit, the rest is dropped with it.
func TestSegmentsWithoutGSO(t *testing.T) {
	k, s := boundNFQ(t, Options{}, lengthAttr(2))
	p := Packet{GSO: 2, Payload: ipv4("abcdefgh")}
	j := k.Inject(p)
	wantFate(t, j, Segmented)
	segments := j.Result().Segments
	if len(segments) != 4 {
		t.Fatalf("%d segments, want 4", len(segments))
	}
	for i, want := range []Fate{Pending, Pending, QueueFull, QueueFull} {
		wantFate(t, segments[i], want)
	}
	if n := k.queueOf(0).queueDrops; n != 1 {
		t.Errorf("%d counted, want 1: the kernel did not try to queue the rest", n)
	}
	_ = packets(t, s)
	decide(t, s, 0, verdictAccept, 2)
	wantFate(t, segments[1], Accepted)

	k, s = boundNFQ(t, Options{}, flagsAttr(flagGSO))
	wantFate(t, k.Inject(p), Pending)
	if a := packets(t, s); len(a) != 1 || network.Uint32(a[0][attrSkbInfo]) != skbGSO {
		t.Errorf("with F_GSO: %v, want one super-packet", a)
	}
}

func TestInjectKeepsNoSlice(t *testing.T) {
	k, s := boundNFQ(t, Options{})
	b := ipv4("abc")
	j := k.Inject(Packet{Payload: b})
	b[0] = 0
	if j.Result().Packet.Payload[0] != 0x45 || packets(t, s)[0][attrPayload][0] != 0x45 {
		t.Error("the packet changed with the slice that was injected")
	}
	j.Result().Packet.Payload[0] = 1
	if j.Result().Packet.Payload[0] != 0x45 {
		t.Error("the packet changed with the result")
	}
}

func TestServed(t *testing.T) {
	nfq, _ := boundNFQ(t, Options{})
	ipq, _, _ := boundIPQ(t, Options{}, sock.Config{})
	unwanted := New(Options{})
	request(t, open(t, unwanted, sock.Config{Protocol: sock.ProtoNetfilter}), native,
		nfqRequest(nfqConfig, 0, appendAttribute(nil, configCommand, commandBind, 0, 0, 0)))
	for name, tt := range map[string]struct {
		k    *Kernel
		p    Packet
		want bool
	}{
		"bound":          {nfq, Packet{}, true},
		"another queue":  {nfq, Packet{Queue: 1}, false},
		"mode none":      {unwanted, Packet{}, false},
		"ip_queue":       {ipq, Packet{Queue: 1}, true},
		"another family": {ipq, Packet{Family: IPv6}, false},
		"no socket":      {New(Options{Modules: IPQueue}), Packet{}, false},
		"no module":      {New(Options{Modules: NoQueue}), Packet{}, false},
	} {
		if got := tt.k.Served(tt.p); got != tt.want {
			t.Errorf("%s: %t, want %t", name, got, tt.want)
		}
	}
}
