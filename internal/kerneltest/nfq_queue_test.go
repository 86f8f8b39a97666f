package kerneltest

import (
	"testing"

	"github.com/ipqueue/ipqueue/internal/sock"
)

// TestQueueLimits fills a queue up to its length, its hash table, or its socket. It
// checks which packets get an id, what is counted, and the effect of F_FAIL_OPEN.
func TestQueueLimits(t *testing.T) {
	for name, tt := range map[string]struct {
		o       Options
		c       sock.Config
		attrs   []byte
		fill    int
		fate    Fate
		id      uint32 // of the last packet
		dropped uint32
		socket  uint32
	}{
		"length":         {attrs: lengthAttr(3), fill: 3, fate: QueueFull, id: 3, dropped: 1},
		"length, open":   {attrs: append(lengthAttr(3), flagsAttr(flagFailOpen)...), fill: 3, fate: FailedOpen, id: 3},
		"length 0, open": {attrs: append(lengthAttr(0), flagsAttr(flagFailOpen)...), fate: FailedOpen},
		"socket":         {c: sock.Config{ReadBuffer: 2048}, fill: 4, fate: Undelivered, id: 5, socket: 1},
		"socket, open":   {c: sock.Config{ReadBuffer: 2048}, attrs: flagsAttr(flagFailOpen), fill: 4, fate: FailedOpen, id: 5},
		"hash":           {c: sock.Config{ReadBuffer: 1 << 27}, attrs: lengthAttr(1 << 20), fill: 65536, fate: QueueFull, id: 65537, dropped: 1},
	} {
		t.Run(name, func(t *testing.T) {
			k := New(tt.o)
			tt.c.Protocol = sock.ProtoNetfilter
			bind(t, open(t, k, tt.c), 0, tt.attrs)
			p := Packet{Payload: ipv4("")}
			for range tt.fill {
				k.Inject(p)
			}
			wantFate(t, k.Inject(p), tt.fate)
			q := k.queueOf(0)
			if q.lastID != tt.id || q.queueDrops != tt.dropped || q.socketDrops != tt.socket {
				t.Errorf("id %d, dropped %d and %d; want %d, %d and %d",
					q.lastID, q.queueDrops, q.socketDrops, tt.id, tt.dropped, tt.socket)
			}
		})
	}
}

func TestQueueModes(t *testing.T) {
	k, s := boundNFQ(t, Options{})
	for _, mode := range []byte{nfqCopyMeta, 3, 255} {
		if errno := request(t, s, native, nfqRequest(nfqConfig, 0, modeAttr(mode, 5))); errno != 0 {
			t.Errorf("mode %d: %v", mode, errno)
		}
		k.Inject(Packet{Payload: ipv4("")})
		if p := packets(t, s); len(p) != 1 || p[0][attrPayload] != nil {
			t.Errorf("mode %d: %v, want one packet without payload", mode, p)
		}
	}
	if errno := request(t, s, native, nfqRequest(nfqConfig, 0, modeAttr(nfqCopyNone, 0))); errno != 0 {
		t.Errorf("mode NONE: %v", errno)
	}
	wantFate(t, k.Inject(Packet{Bypass: true}), Unwanted)
	if n := k.Pending(); n != 3 {
		t.Errorf("%d pending, want 3: a mode does not touch what is queued", n)
	}
}
