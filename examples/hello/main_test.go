package main

import (
	"testing"

	"github.com/ipqueue/ipqueue/queue/queuetest"
)

func TestFilter(t *testing.T) {
	k := queuetest.New(t, queuetest.Options{})
	k.Go(filter)

	k.Send(queuetest.UDP("10.0.0.1:5000", "10.0.0.2:9999", []byte("good morning"))).WantAccepted()
	k.Send(queuetest.UDP("10.0.0.1:5000", "10.0.0.2:9999", []byte("the secret is out"))).WantDropped()
	k.Send(queuetest.EchoRequest("fd00::1", "fd00::2", 1, 1, []byte("no UDP"))).WantAccepted()
}
