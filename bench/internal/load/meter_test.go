package load

import (
	"testing"
	"time"
)

func TestMeterRead(t *testing.T) {
	m := NewMeter(1000)
	m.sent.Add(5)
	for i := range 2000 { // unordered, and more than the meter keeps
		m.observe(time.Duration(i*7%1000 + 1))
	}
	first := m.Read()
	if want := (Latency{N: 1000, P50: 500, P99: 990, P999: 999}); first.Latency != want || first.Sent != 5 {
		t.Errorf("first reading %+v, want 5 sent and %+v", first, want)
	}
	m.observe(time.Second)
	second := m.Read()
	if want := (Latency{N: 1, P50: time.Second, P99: time.Second, P999: time.Second}); second.Latency != want || second.Sent != 5 {
		t.Errorf("second reading %+v, want 5 sent and %+v", second, want)
	}
	if third := m.Read(); third.Latency != (Latency{}) {
		t.Errorf("third reading %+v, want no times", third)
	}
}
