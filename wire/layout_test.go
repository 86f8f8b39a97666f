package wire_test

import (
	"testing"

	"github.com/ipqueue/ipqueue/wire"
)

func TestLayout(t *testing.T) {
	for _, m := range machines {
		big := m.name[:2] == "be"
		if got := m.layout.WordSize(); got != m.word {
			t.Errorf("%s: WordSize() = %d, want %d", m.name, got, m.word)
		}
		if got := m.layout.BigEndian(); got != big {
			t.Errorf("%s: BigEndian() = %v, want %v", m.name, got, big)
		}
		if got := m.layout.String(); got != m.name {
			t.Errorf("String() = %q, want %q", got, m.name)
		}
	}
}

func TestLayoutOutOfRange(t *testing.T) {
	l := wire.Layout(7)
	if got, want := l.String(), "Layout(7)"; got != want {
		t.Errorf("String() = %q, want %q", got, want)
	}
	if got := l.WordSize(); got != 8 {
		t.Errorf("WordSize() = %d, want 8, as of the two lowest bits", got)
	}
	if got := l.IPQPacketLen(); got != 96 {
		t.Errorf("IPQPacketLen() = %d, want 96", got)
	}
	var p wire.IPQPacket
	if err := p.Parse(l, make([]byte, 96)); err != nil {
		t.Errorf("Parse: %v", err)
	}
}

func TestNative(t *testing.T) {
	if got, want := wire.Native(), native(t).layout; got != want {
		t.Errorf("Native() = %v, want %v", got, want)
	}
}

func TestLayoutZero(t *testing.T) {
	var l wire.Layout
	if l != wire.LE32 {
		t.Errorf("zero Layout is %v, want %v", l, wire.LE32)
	}
}
