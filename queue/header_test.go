package queue_test

import (
	"errors"
	"net"
	"testing"

	"golang.org/x/net/ipv4"

	"github.com/ipqueue/ipqueue/queue"
)

func TestIPv4(t *testing.T) {
	b := join(options4, udp)
	b[6], b[7] = 0x40, 7 // don't fragment; an offset
	h, err := queue.Packet{Payload: b}.IPv4()
	if err != nil {
		t.Fatal(err)
	}
	if h.TotalLen != 34 || h.Flags != ipv4.DontFragment || h.FragOff != 7 || h.Len != 24 || h.TTL != 64 || h.Protocol != 17 {
		t.Errorf("IPv4 = %v", h)
	}
	if want := net.IPv4(192, 0, 2, 2); !h.Dst.Equal(want) {
		t.Errorf("Dst = %v, want %v", h.Dst, want)
	}
}

func TestIPv6(t *testing.T) {
	h, err := queue.Packet{Payload: header6(17, udp)}.IPv6()
	if err != nil {
		t.Fatal(err)
	}
	if h.PayloadLen != len(udp) || h.NextHeader != 17 || h.HopLimit != 64 || h.Src.String() != "2001::1" {
		t.Errorf("IPv6 = %v", h)
	}
}

func TestHeaderRefused(t *testing.T) {
	if _, err := (queue.Packet{Payload: header6(17, udp)}).IPv4(); !errors.Is(err, queue.ErrInvalid) {
		t.Errorf("IPv4 of an IPv6 packet: %v, want %v", err, queue.ErrInvalid)
	}
	if _, err := (queue.Packet{Payload: udp4}).IPv6(); !errors.Is(err, queue.ErrInvalid) {
		t.Errorf("IPv6 of an IPv4 packet: %v, want %v", err, queue.ErrInvalid)
	}
	for n := range 20 {
		if _, err := (queue.Packet{Payload: udp4[:n]}).IPv4(); err == nil {
			t.Errorf("IPv4 of %d bytes: no error", n)
		}
	}
	for n := range 40 {
		if _, err := (queue.Packet{Payload: header6(17, udp)[:n]}).IPv6(); err == nil {
			t.Errorf("IPv6 of %d bytes: no error", n)
		}
	}
	if _, err := (queue.Packet{Payload: options4[:23]}).IPv4(); err == nil {
		t.Error("IPv4 of cut options: no error")
	}
}
