package main

import (
	"math"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ipqueue/ipqueue/bench/internal/load"
	"github.com/ipqueue/ipqueue/internal/testutil"
)

// newTestStand returns a stand on the running kernel, and the rows of all contenders
// that could be built.
func newTestStand(t *testing.T) (*stand, []row) {
	t.Helper()
	testutil.RequireKernel(t)
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	n, err := newNetwork()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.close)
	commands, leftOut := buildPeers(t.TempDir())
	for _, err := range leftOut {
		t.Log(err)
	}
	s, err := newStand(n.file, 20*time.Millisecond, 100*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	return s, selectRows(scenes([]int{64}), contenders(2, commands), regexp.MustCompile(""))
}

func TestMeasure(t *testing.T) {
	s, rows := newTestStand(t)
	for _, r := range rows {
		t.Run(r.name(), func(t *testing.T) {
			v, err := s.measure(r)
			if err != nil {
				t.Fatal(err)
			}
			for _, unit := range expectedUnits(r) {
				if x, ok := v[unit]; !ok || !(x > 0) || math.IsInf(x, 0) {
					t.Errorf("%s is %v, want more than 0", unit, x)
				}
			}
			if _, ok := v[allocs]; ok != r.contender.isGo {
				t.Errorf("allocations are measured: %t, want %t", ok, r.contender.isGo)
			}
		})
	}
}

func expectedUnits(r row) []string {
	list := []string{packetCount, packetRate, cpuTime, cpuBusy}
	switch r.scene.spec.Kind {
	case load.TCP:
		return append(list, bitRate)
	case load.OneByOne:
		return append(list, p50, p99, p999)
	}
	return list
}

func TestMeasureUnknownConsumer(t *testing.T) {
	s, rows := newTestStand(t)
	r := rows[0]
	r.contender.ours.Take = "nothing"
	if _, err := s.measure(r); err == nil || !strings.Contains(err.Error(), "unknown consumer") {
		t.Errorf("measure: %v, want the consumer's complaint", err)
	}
}

func TestMeasureSecondOwner(t *testing.T) {
	s, rows := newTestStand(t)
	owner, _, err := s.startConsumer(rows[0])
	if err != nil {
		t.Fatal(err)
	}
	defer owner.kill()
	for _, r := range rows {
		if r.scene.name != rows[0].scene.name {
			break
		}
		if _, err := s.measure(r); err == nil {
			t.Errorf("%s: no error although another process has the queue", r.name())
		}
	}
}

// If there are two processors, consumer and generator each have their own, except in
// free scenes.
func TestProcessors(t *testing.T) {
	for _, test := range []struct {
		cpus                []int
		free                bool
		consumer, generator []int
	}{
		{[]int{2, 3, 5}, false, []int{2}, []int{5}},
		{[]int{2, 3, 5}, true, []int{2, 3, 5}, []int{2, 3, 5}},
		{[]int{4}, false, []int{4}, []int{4}},
	} {
		s, in := stand{cpus: test.cpus}, scene{free: test.free}
		if c, g := s.consumerCPUs(in), s.generatorCPUs(in); !slices.Equal(c, test.consumer) || !slices.Equal(g, test.generator) {
			t.Errorf("of %v, free %v: consumer on %v, generator on %v", test.cpus, test.free, c, g)
		}
	}
}

// A flood must fit into the queue and into the receive buffer, even if its send
// buffer is exceeded by one message.
func TestSpecFitsBuffers(t *testing.T) {
	for _, kind := range []load.Kind{load.UDP, load.ICMP} {
		for _, size := range []int{0, 1, 64, 1400, 9000, 65507} {
			for _, receiveBuffer := range []int{400 << 10, 16 << 20} {
				spec := row{scene: scene{spec: load.Spec{Kind: kind, Size: size}}}.spec(receiveBuffer)
				n := max(spec.Segments, 1)
				packets := 2*spec.SendBuffer/(inSendBuffer+size) + n
				if packets > queueLength || packets*(inReceiveBuffer+2*size) > receiveBuffer {
					t.Errorf("%s of %d bytes, receive buffer of %d: up to %d packets queued (%+v)", kind, size, receiveBuffer, packets, spec)
				}
				if n*size > 65507 {
					t.Errorf("%s of %d bytes: %d of them in a message", kind, size, n)
				}
			}
		}
	}
}

func TestSameBuffer(t *testing.T) {
	var s stand
	for _, test := range []struct {
		n  int
		ok bool
	}{{4096, true}, {4096, true}, {8192, false}} {
		if err := s.sameBuffer(test.n); (err == nil) != test.ok {
			t.Errorf("sameBuffer(%d) = %v", test.n, err)
		}
	}
}
