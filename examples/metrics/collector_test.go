package main

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/ipqueue/ipqueue/queue"
)

// collect returns the values of the metrics, indexed by name without labels.
func collect(t *testing.T, s queue.Stats) map[string]float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(NewCollector(func() queue.Stats { return s }, 3))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := make(map[string]float64)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			values[f.GetName()] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return values
}

// TestCollectorIsComplete checks that each number in Stats has a metric, and
// that each metric except kernel_up has such a number.
func TestCollectorIsComplete(t *testing.T) {
	zero := collect(t, queue.Stats{})
	found := map[string]string{"ipqueue_kernel_up": "none"}
	try := func(name string, s *queue.Stats, f reflect.Value) {
		switch {
		case f.CanUint():
			f.SetUint(1)
		case f.CanInt():
			f.SetInt(1)
		default:
			return
		}
		changed := 0
		for metric, v := range collect(t, *s) {
			if v == zero[metric] {
				continue
			}
			if other := found[metric]; other != "" {
				t.Errorf("%s shows %s and %s", metric, other, name)
			}
			found[metric] = name
			changed++
		}
		if changed != 1 {
			t.Errorf("%s is shown by %d metrics, want 1", name, changed)
		}
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[queue.Stats]()) {
		var s queue.Stats
		try(f.Name, &s, reflect.ValueOf(&s).Elem().FieldByIndex(f.Index))
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[queue.KernelStats]()) {
		var s queue.Stats
		try("Kernel."+f.Name, &s, reflect.ValueOf(&s.Kernel).Elem().FieldByIndex(f.Index))
	}
	for metric := range zero {
		if found[metric] == "" {
			t.Errorf("%s shows nothing", metric)
		}
	}
}

func TestCollectorWithoutRow(t *testing.T) {
	values := collect(t, queue.Stats{Received: 5, Kernel: queue.KernelStats{Err: errors.New("no row")}})
	if got := values["ipqueue_received_packets_total"]; got != 5 {
		t.Errorf("received %v, want 5", got)
	}
	for name, v := range values {
		if strings.HasPrefix(name, "ipqueue_kernel_") && (name != "ipqueue_kernel_up" || v != 0) {
			t.Errorf("%s is %v although there is no row", name, v)
		}
	}
}

func TestCollectorUnits(t *testing.T) {
	values := collect(t, queue.Stats{OldestUndecided: 1_500_000, ReadBuffer: 4096})
	if got := values["ipqueue_oldest_undecided_seconds"]; math.Abs(got-0.0015) > 1e-12 {
		t.Errorf("oldest %v s, want 0.0015", got)
	}
	if got := values["ipqueue_read_buffer_bytes"]; got != 4096 {
		t.Errorf("read buffer %v bytes, want 4096", got)
	}
}

// TestCollectorLint checks names and help texts against the conventions of
// Prometheus.
func TestCollectorLint(t *testing.T) {
	problems, err := testutil.CollectAndLint(NewCollector(func() queue.Stats { return queue.Stats{} }, 0))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}
