package queuetest_test

import (
	"testing"
	"time"

	"github.com/ipqueue/ipqueue/queue"
	"github.com/ipqueue/ipqueue/queue/queuetest"
)

// TestConntrack sends two packets of a connection. The verdict on the first sets
// a mark, which the second shows.
func TestConntrack(t *testing.T) {
	k := queuetest.New(t, queuetest.Options{})
	q := k.Open(queue.Config{Conntrack: true})
	packet := hello
	packet.Conntrack = &queue.Conntrack{Original: queue.CTTuple{Flow: udpFlow("10.0.0.1:1", "10.0.0.2:2")}, Mark: 1}
	first := k.Send(packet)
	p := <-q.Packets()
	if c, ok := p.Conntrack(); !ok || c.State != queue.CTNew || c.InReply || c.Mark != 1 {
		t.Errorf("conntrack %t, %v, want new with mark 1", ok, c)
	}
	if err := p.Decide(queue.Verdict{Action: queue.Accept, Conntrack: queue.CTChange{
		Mark: 7, SetLabels: queue.CTLabels{2}, Timeout: time.Hour, SetStatus: queue.CTAssured,
	}}); err != nil {
		t.Fatal(err)
	}
	packet.Conntrack = first.Wait().Packet.Conntrack
	packet.Conntrack.State = queue.CTRelated
	k.Send(packet)
	p = <-q.Packets()
	defer p.Accept()
	want := queue.Conntrack{
		State: queue.CTRelated, Original: packet.Conntrack.Original,
		Mark: 7, Labels: queue.CTLabels{2}, Timeout: time.Hour, Status: queue.CTAssured,
	}
	if c, ok := p.Conntrack(); !ok || c != want {
		t.Errorf("conntrack %t, %v, want %v", ok, c, want)
	}
	if packet = first.Outcome().Packet; packet.Conntrack.Mark != 7 {
		t.Errorf("the outcome is %v, want mark 7", packet.Conntrack)
	}
}
