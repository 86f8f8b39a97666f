package queue_test

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/queue"
)

// openOn opens a queue on a kernel of its own, which must refuse.
func openOn(t *testing.T, o kerneltest.Options, c queue.Config) error {
	t.Helper()
	k := kerneltest.New(o)
	q, err := queue.Open(sock.WithKernel(context.Background(), k), c)
	if err == nil {
		_ = q.Close()
		t.Fatalf("Open(%+v) succeeded", c)
	}
	if n := len(k.Sockets()); n != 0 {
		t.Errorf("%d sockets are left open", n)
	}
	var op *queue.OpError
	if !errors.As(err, &op) || op.Op != "open" {
		t.Errorf("%#v is no OpError of open", err)
	}
	return err
}

func TestConfigInvalid(t *testing.T) {
	for field, c := range map[string]queue.Config{
		"Mode":         {Mode: -9},
		"Range(0)":     {Mode: queue.Range(0)},
		"Range(-1)":    {Mode: queue.Range(-1)},
		"Range(-2)":    {Mode: queue.Range(-2)},
		"Backend":      {Backend: 3},
		"Family":       {Family: queue.Bridge},
		"WordSize":     {WordSize: 16},
		"OnDeadline":   {OnDeadline: queue.Repeat},
		"WhenFull":     {WhenFull: queue.Stop},
		"OnClose":      {OnClose: queue.Requeue},
		"QueueLength":  {QueueLength: -1},
		"ReadBuffer":   {ReadBuffer: -1},
		"MaxUndecided": {MaxUndecided: -1},
		"NetNS":        {NetNS: -1},
		"Deadline":     {Deadline: -time.Second},
	} {
		t.Run(field, func(t *testing.T) {
			err := openOn(t, kerneltest.Options{Modules: kerneltest.IPQueue | kerneltest.NFQueue}, c)
			if !errors.Is(err, queue.ErrInvalid) || !errors.Is(err, fs.ErrInvalid) {
				t.Errorf("%v is not ErrInvalid", err)
			}
			if name, _, _ := strings.Cut(field, "("); !strings.Contains(err.Error(), name) {
				t.Errorf("%q does not name %s", err, field)
			}
		})
	}
}

// TestConfigUnsupported asks each backend for what only the other can do.
func TestConfigUnsupported(t *testing.T) {
	for _, tt := range []struct {
		field string
		c     queue.Config
	}{
		{"Number", queue.Config{Backend: queue.IPQueue, Number: 1}},
		{"FailOpen", queue.Config{Backend: queue.IPQueue, FailOpen: true}},
		{"Conntrack", queue.Config{Backend: queue.IPQueue, Conntrack: true}},
		{"Owner", queue.Config{Backend: queue.IPQueue, Owner: true}},
		{"SecurityContext", queue.Config{Backend: queue.IPQueue, SecurityContext: true}},
		{"Family", queue.Config{Backend: queue.NFQueue, Family: queue.IPv6}},
		{"WordSize", queue.Config{Backend: queue.NFQueue, WordSize: 64}},
		{"Family", queue.Config{Number: 1, Family: queue.IPv6}},
	} {
		t.Run(tt.c.Backend.String()+" "+tt.field, func(t *testing.T) {
			err := openOn(t, kerneltest.Options{Modules: kerneltest.IPQueue | kerneltest.NFQueue}, tt.c)
			if !errors.Is(err, queue.ErrUnsupported) || !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("%v is not ErrUnsupported", err)
			}
			if !strings.Contains(err.Error(), "Config."+tt.field) {
				t.Errorf("%q does not name Config.%s", err, tt.field)
			}
		})
	}
}

func TestBufferDefault(t *testing.T) {
	for buffer, want := range map[int]int{0: 64, -1: 0, 1: 1, 1000: 1000} {
		simulate(t, both, kerneltest.Options{}, func(s *sim) {
			if got := cap(s.open(queue.Config{Buffer: buffer}).Packets()); got != want {
				s.Errorf("Buffer %d: the channel holds %d packets, want %d", buffer, got, want)
			}
		})
	}
}

func TestReadBuffer(t *testing.T) {
	for _, tt := range []struct {
		c           queue.Config
		limit, want int
	}{
		{queue.Config{}, 0, 2 * 4096 * 2048},
		{queue.Config{}, 1 << 20, 2 << 20},
		{queue.Config{ReadBuffer: 1 << 16}, 0, 1 << 17},
		{queue.Config{QueueLength: 100}, 0, 2 * 100 * 2048},
		{queue.Config{QueueLength: 1 << 20}, 0, 2 * 65536 * 2048},
	} {
		simulate(t, both, kerneltest.Options{ReadBufferMax: tt.limit}, func(s *sim) {
			s.open(tt.c)
			if got := s.stats().ReadBuffer; got != tt.want {
				s.Errorf("ReadBuffer %d, want %d", got, tt.want)
			}
		})
	}
}

// TestQueueLength counts how many packets the kernel holds.
func TestQueueLength(t *testing.T) {
	for _, tt := range []struct {
		kind   kind
		length int
		want   int
	}{
		{nfqueueKind, 0, 4096},
		{nfqueueKind, 10, 10},
		{ipqueueKind, 0, 1024}, // net.ipv4.ip_queue_maxlen stays as it is
		{ipqueueKind, 10, 10},
	} {
		simulate(t, []kind{tt.kind}, kerneltest.Options{}, func(s *sim) {
			s.open(queue.Config{QueueLength: tt.length})
			s.inject(tt.want + 3)
			if got := s.kernel.Pending(); got != tt.want {
				s.Errorf("QueueLength %d: %d packets wait, want %d", tt.length, got, tt.want)
			}
			if n := s.stats().Kernel; n.Err != nil || n.Pending != uint32(tt.want) || n.QueueDropped != 3 {
				s.Errorf("Stats.Kernel is %+v, want %d pending, 3 dropped", n, tt.want)
			}
		})
	}
}

// TestConfigFlags checks the effect of each flag of nfnetlink_queue.
func TestConfigFlags(t *testing.T) {
	label := []byte("system_u:object_r:x\x00")
	for name, tt := range map[string]struct {
		c    queue.Config
		look func(s *sim)
	}{
		"GSO": {queue.Config{}, func(s *sim) {
			s.injectPacket(kerneltest.Packet{Payload: simTCP(false, pattern(5000)), GSO: 1400})
			if p := s.next(); !p.GSO() || len(p.Payload) != 5040 {
				s.Errorf("GSO %t, %d bytes, want the packet whole", p.GSO(), len(p.Payload))
			}
		}},
		"NoGSO": {queue.Config{NoGSO: true}, func(s *sim) {
			j := s.injectPacket(kerneltest.Packet{Payload: simTCP(false, pattern(5000)), GSO: 1400})
			if got := j.Fate(); got != kerneltest.Segmented {
				s.Errorf("fate %v, want Segmented", got)
			}
			if p := s.next(); p.GSO() || len(p.Payload) != 1440 {
				s.Errorf("GSO %t, %d bytes, want one segment", p.GSO(), len(p.Payload))
			}
		}},
		"FailOpen": {queue.Config{FailOpen: true, QueueLength: 1}, func(s *sim) {
			if j := s.inject(2); j[1].Fate() != kerneltest.FailedOpen {
				s.Errorf("fate %v, want FailedOpen", j[1].Fate())
			}
		}},
		"no FailOpen": {queue.Config{QueueLength: 1}, func(s *sim) {
			if j := s.inject(2); j[1].Fate() != kerneltest.QueueFull {
				s.Errorf("fate %v, want QueueFull", j[1].Fate())
			}
		}},
		"Owner": {queue.Config{Owner: true}, func(s *sim) {
			s.injectPacket(kerneltest.Packet{Owner: &kerneltest.Owner{UID: 1000, GID: 0}})
			p := s.next()
			uid, hasUID := p.UID()
			gid, hasGID := p.GID()
			if uid != 1000 || gid != 0 || !hasUID || !hasGID {
				s.Errorf("UID %d %t, GID %d %t, want 1000 and 0", uid, hasUID, gid, hasGID)
			}
		}},
		"SecurityContext": {queue.Config{SecurityContext: true}, func(s *sim) {
			s.injectPacket(kerneltest.Packet{SecurityContext: label})
			if got, want := s.next().SecurityContext(), "system_u:object_r:x"; got != want {
				s.Errorf("SecurityContext %q, want %q", got, want)
			}
		}},
		"Conntrack": {queue.Config{Conntrack: true}, func(s *sim) {
			for _, size := range []int{9, 6000} { // copied, and left where it was received
				s.injectPacket(kerneltest.Packet{Conntrack: simEntry(), Payload: simUDP(false, pattern(size))})
				if got, ok := s.next().Conntrack(); !ok || got != wantEntry {
					s.Errorf("%d bytes: conntrack %t %+v, want %+v", size, ok, got, wantEntry)
				}
			}
		}},
		"nothing asked": {queue.Config{}, func(s *sim) {
			s.injectPacket(kerneltest.Packet{SecurityContext: label, Owner: &kerneltest.Owner{UID: 1}, Conntrack: simEntry()})
			p := s.next()
			_, owned := p.UID()
			_, tracked := p.Conntrack()
			if owned || p.SecurityContext() != "" || tracked {
				s.Error("owner, security context or conntrack came unasked")
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			simulate(t, []kind{nfqueueKind}, kerneltest.Options{}, func(s *sim) {
				s.open(tt.c)
				tt.look(s)
			})
		})
	}
}

func TestConfigStrings(t *testing.T) {
	for want, v := range map[string]interface{ String() string }{
		"Auto": queue.Auto, "IPQueue": queue.IPQueue, "NFQueue": queue.NFQueue, "Backend(9)": queue.Backend(9),
		"IPv4": queue.IPv4, "IPv6": queue.IPv6, "Bridge": queue.Bridge, "ARP": queue.ARP,
		"WholePacket": queue.WholePacket, "MetaOnly": queue.MetaOnly, "DropAll": queue.DropAll,
		"Range(64)": queue.Range(64), "Mode(-9)": queue.Mode(-9),
		"Accept": queue.Accept, "Requeue": queue.Requeue, "Action(0)": queue.Action(0), "Action(6)": queue.Action(6),
		"Prerouting": queue.HookPrerouting, "Postrouting": queue.HookPostrouting, "Hook(5)": queue.Hook(5),
		"Family(9)": queue.Family(9), "related": queue.CTRelated, "unknown": queue.CTState(0), "CTState(4)": queue.CTState(4),
	} {
		if got := v.String(); got != want {
			t.Errorf("%#v is %q, want %q", v, got, want)
		}
	}
}
