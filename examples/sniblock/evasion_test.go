package main

import (
	"slices"
	"testing"
	"time"
)

// A modelServer models a TCP server that reads a ClientHello. It sends nothing.
type modelServer struct {
	fastOpen bool // accepts data in a SYN
	lastWins bool // of two copies of a byte that it cannot read yet, the later one counts
	distance uint8

	opened bool
	first  uint32
	time   uint32
	stream []byte       // bytes that the server has read
	known  map[int]byte // bytes that the server has, but cannot read yet
}

const modelISS = 100 // initial sequence number of the server, which clients acknowledge

// take delivers a segment that has passed the filter.
func (m *modelServer) take(s segment) {
	switch {
	case s.hops < m.distance:
		return
	case s.syn && !m.opened:
		m.opened, m.first, m.time, m.known = true, s.sequence, s.time, make(map[int]byte)
		if !m.fastOpen {
			return
		}
	case !m.opened || s.syn || s.ack != modelISS || s.timed && int32(s.time-m.time) < 0:
		return
	}
	at := int(int32(s.sequence - m.first))
	if s.timed && at <= len(m.stream) {
		m.time = s.time
	}
	for i, c := range s.data {
		if at+i < len(m.stream) || at+i > len(m.stream)+65535 {
			continue
		}
		if _, there := m.known[at+i]; !there || m.lastWins {
			m.known[at+i] = c
		}
	}
	for c, there := m.known[len(m.stream)]; there; c, there = m.known[len(m.stream)] {
		m.stream = append(m.stream, c)
	}
}

// reads reports whether the server has read a ClientHello with the name.
func (m *modelServer) reads(name string) bool {
	return slices.Contains(scanAt(m.stream, 1<<20).names, name)
}

// scripted returns the segment that six bytes of the script encode.
func scripted(b []byte, texts []string) segment {
	const hops = 64
	s := segment{sequence: 1000 + uint32(b[1])%64*4, ack: modelISS, hops: hops, timed: true, time: 50}
	text := texts[int(b[0])%len(texts)]
	begin := min(int(b[2])%64*4, len(text))
	s.data = []byte(text[begin:min(len(text), begin+int(b[3])%80*4)])
	if b[1] >= 64 { // usually the data is at its own offset
		s.sequence = 1000 + uint32(begin)
	}
	switch b[4] % 16 {
	case 0:
		s.syn, s.ack = true, 0
	case 1:
		s.syn, s.ack, s.data = true, 0, nil
	case 2:
		s.hops = b[5] % hops
	case 3:
		s.ack += uint32(b[5])
	case 4:
		s.time += uint32(b[5]) - 128
	case 5:
		s.data = nil
		s.sequence += uint32(b[5])
	}
	return s
}

// FuzzEvasion checks that, whatever segments a client sends, the server cannot
// read a listed name from those that pass.
func FuzzEvasion(f *testing.F) {
	bad := string(record(plainHello(serverNames("bad.example"))))
	good := string(record(plainHello(serverNames("good.example"))))
	second := string(typed(23, make([]byte, 50)...))
	texts := []string{bad, good, "GET / HTTP/1.1\r\nHost: good.example\r\n\r\n", good + second, string(record(nil)) + bad, good + bad}
	f.Add([]byte("\x00\x00\x00\x00\x01\x00" + "\x00\xff\x00\xff\x06\x00"))
	f.Add([]byte("\x00\x00\x00\x00\x01\x00" + "\x01\xff\x00\xff\x02\x03" + "\x03\xff\x13\xff\x02\x03" + "\x00\xff\x00\xff\x06\x00"))
	f.Add([]byte("\x02\x00\x00\xff\x00\x00" + "\x00\xff\x04\xff\x06\x00" + "\x00\xff\x00\x04\x06\x00"))
	f.Fuzz(func(t *testing.T, script []byte) {
		var table tcpTable
		table.memory, table.settled.most, table.until = 1<<20, 10, time.Unix(1, 0)
		judge := func(h hello) string {
			if slices.Contains(h.names, "bad.example") {
				return "listed"
			}
			return ""
		}
		servers := []*modelServer{{distance: 10}, {distance: 20, fastOpen: true}, {distance: 1, lastWins: true}, {distance: 39, fastOpen: true, lastWins: true}}
		for i := 0; len(script) >= 6 && i < 30; i, script = i+1, script[6:] {
			s := scripted(script, texts)
			o := table.take(flowOf(1), s, time.Unix(1000, 0), judge)
			if o.decision == discard || o.decision == refuse {
				continue
			}
			for _, m := range servers {
				if m.take(s); m.reads("bad.example") {
					t.Fatalf("segment %d lets server %+v read the name", i, m)
				}
			}
		}
		used := 0
		if c, ok := table.open.get(flowOf(1)); ok {
			used = c.size()
		}
		if used != table.used {
			t.Fatalf("%d bytes used, %d counted", used, table.used)
		}
	})
}
