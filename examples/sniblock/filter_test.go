package main

import (
	"encoding/binary"
	"testing"
	"time"
)

const flagSYN, flagACK = 1 << 1, 1 << 4

// tcp is a segment with that sequence number.
func tcp(sequence uint32, flags byte, data string) []byte {
	b := make([]byte, 20, 20+len(data))
	binary.BigEndian.PutUint32(b[4:], sequence)
	b[12], b[13] = 5<<4, flags
	return append(b, data...)
}

func newFilter(t *testing.T) *filter {
	t.Helper()
	f := &filter{table: newTable(10, time.Minute)}
	if err := f.names.Add("bad.example"); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestJudge(t *testing.T) {
	bad, good := string(hello(t, "bad.example")), string(hello(t, "good.example"))
	half := 20 // bytes, before the name
	for _, test := range []struct {
		name     string
		segments [][]byte
		want     []decision
	}{
		{"refused, again and after", [][]byte{tcp(9, flagSYN, ""), tcp(10, flagACK, ""), tcp(10, flagACK, bad), tcp(10, flagACK, bad), tcp(10, flagACK, "")},
			[]decision{pass, pass, refuse, refuse, pass}},
		{"settled", [][]byte{tcp(9, flagSYN, ""), tcp(10, flagACK, good), tcp(10, flagACK, "more")}, []decision{pass, settle, settle}},
		{"in order", [][]byte{tcp(9, flagSYN, ""), tcp(10, flagACK, bad[:half]), tcp(10+uint32(half), flagACK, bad[half:])}, []decision{pass, pass, refuse}},
		{"out of order", [][]byte{tcp(9, flagSYN, ""), tcp(10+uint32(half), flagACK, bad[half:]), tcp(10, flagACK, bad[:half])}, []decision{pass, pass, refuse}},
		{"SYN with data", [][]byte{tcp(9, flagSYN, bad), tcp(10, flagACK, bad)}, []decision{refuse, refuse}},
		{"SYN again", [][]byte{tcp(9, flagSYN, ""), tcp(10, flagACK, bad[:half]), tcp(9, flagSYN, ""), tcp(10+uint32(half), flagACK, bad[half:])}, []decision{pass, pass, pass, refuse}},
		{"numbers wrap", [][]byte{tcp(1<<32-1, flagSYN, ""), tcp(0, flagACK, bad)}, []decision{pass, refuse}},
		{"contradiction", [][]byte{tcp(9, flagSYN, ""), tcp(11, flagACK, "abc"), tcp(11, flagACK, "abd")}, []decision{pass, pass, refuse}},
		{"not TLS", [][]byte{tcp(9, flagSYN, ""), tcp(10, flagACK, "GET / HTTP/1.1")}, []decision{pass, settle}},
		{"began before", [][]byte{tcp(10, flagACK, bad)}, []decision{settle}},
		{"too long", [][]byte{tcp(9, flagSYN, ""), tcp(10, flagACK, string(record(append([]byte{1, 1, 0, 0}, make([]byte, longestHello-9)...))))}, []decision{pass, settle}},
		{"cut header", [][]byte{tcp(9, flagSYN, "")[:19], nil}, []decision{pass, pass}},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFilter(t)
			for i, s := range test.segments {
				if got, _ := f.judge(flowOf(1), s, time.Unix(1, 0)); got != test.want[i] {
					t.Errorf("segment %d: decision %d, want %d", i, got, test.want[i])
				}
			}
		})
	}
}
