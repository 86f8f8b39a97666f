package queue_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"reflect"
	"testing"
	"time"

	"github.com/ipqueue/ipqueue/queue"
)

func TestStatsString(t *testing.T) {
	for _, test := range []struct {
		s    queue.Stats
		want string
	}{
		{queue.Stats{}, ""},
		{queue.Stats{ReadBuffer: 9}, ""},
		{queue.Stats{Received: 12, Decided: 11, Undecided: 1, OldestUndecided: time.Second},
			"received=12 decided=11 undecided=1 oldest_undecided=1s"},
		{queue.Stats{Received: 1, Kernel: queue.KernelStats{Pending: 1, SocketDropped: 2, LastID: 9}},
			"received=1 kernel.pending=1 kernel.socket_dropped=2"},
		{queue.Stats{Kernel: queue.KernelStats{Err: errors.New("no file")}}, "kernel.err=no file"},
	} {
		if got := test.s.String(); got != test.want {
			t.Errorf("String = %q, want %q", got, test.want)
		}
	}
}

// Every counter shows, under a name of its own.
func TestStatsLogValue(t *testing.T) {
	var s queue.Stats
	fill(reflect.ValueOf(&s).Elem())
	var b bytes.Buffer
	slog.New(slog.NewJSONHandler(&b, nil)).Info("", "stats", s)
	var line struct{ Stats map[string]any }
	if err := json.Unmarshal(b.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	// Kernel is one, ReadBuffer none.
	if got, want := len(line.Stats), reflect.TypeFor[queue.Stats]().NumField()-1; got != want {
		t.Errorf("%d attributes, want %d: %s", got, want, &b)
	}
	if got := len(line.Stats["kernel"].(map[string]any)); got != 3 {
		t.Errorf("%d attributes of the kernel, want 3: %s", got, &b)
	}
}

func TestStatsJSON(t *testing.T) {
	s := queue.Stats{Received: 3, Kernel: queue.KernelStats{Err: errors.New("no file"), Pending: 2}}
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Received uint64
		Kernel   struct {
			Err     string
			Pending int
		}
	}
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if got.Received != 3 || got.Kernel.Err != "no file" || got.Kernel.Pending != 2 {
		t.Errorf("JSON = %s", b)
	}
	if b, err := json.Marshal(queue.KernelStats{}); err != nil || bytes.Contains(b, []byte("Err")) {
		t.Errorf("JSON without an error = %s, %v", b, err)
	}
}

func TestVerdictString(t *testing.T) {
	for want, v := range map[string]queue.Verdict{
		"Action(0)":                    {},
		"Accept mark 0x7":              {Action: queue.Accept, Mark: 7},
		"Accept mark 0x0":              {Action: queue.Accept, MarkMask: ^uint32(0)},
		"Accept with 3 bytes":          {Action: queue.Accept, Payload: make([]byte, 3)},
		"Requeue to 5 or accept":       {Action: queue.Requeue, Number: 5, Bypass: true},
		"Drop priority 0x1 VLAN 3":     {Action: queue.Drop, Priority: 1, VLAN: queue.VLAN{Protocol: 0x8100, TCI: 3}},
		"Accept VLAN 3 priority 2":     {Action: queue.Accept, VLAN: queue.VLAN{Protocol: 0x8100, TCI: 2<<13 | 3}},
		"Stop link header of 14 bytes": {Action: queue.Stop, LinkHeader: make([]byte, 14)},
		"Accept mark 0x7 ct mark 0x8":  {Action: queue.Accept, Mark: 7, Conntrack: queue.CTChange{Mark: 8}},
	} {
		if got := v.String(); got != want {
			t.Errorf("String = %q, want %q", got, want)
		}
	}
}
