package main

import (
	"bytes"
	"testing"
)

func TestReport(t *testing.T) {
	p := newPool(2, nil)
	for i := range 12 {
		w := p.workers[i%2]
		c := conversation(datagram(uint16(1+i), 53, 0).Flow())
		for range i + 1 {
			w.count(job{datagram(uint16(1+i), 53, 0), c})
		}
	}
	p.workers[1].failed = 1
	var b bytes.Buffer
	p.report(&b)
	const want = `worker    packets        bytes  failed conversations
     0         36         1152       0 6
     1         42         1344       1 6

   packets        bytes conversation
        12          384 UDP 192.0.2.1:12 > 192.0.2.2:53
        11          352 UDP 192.0.2.1:11 > 192.0.2.2:53
        10          320 UDP 192.0.2.1:10 > 192.0.2.2:53
         9          288 UDP 192.0.2.1:9 > 192.0.2.2:53
         8          256 UDP 192.0.2.1:8 > 192.0.2.2:53
         7          224 UDP 192.0.2.1:7 > 192.0.2.2:53
         6          192 UDP 192.0.2.1:6 > 192.0.2.2:53
         5          160 UDP 192.0.2.1:5 > 192.0.2.2:53
         4          128 UDP 192.0.2.1:4 > 192.0.2.2:53
         3           96 UDP 192.0.2.1:3 > 192.0.2.2:53
`
	if got := b.String(); got != want {
		t.Errorf("report:\n%swant:\n%s", got, want)
	}
}
