package queue_test

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/queue"
	"github.com/ipqueue/ipqueue/wire"
)

// releases are those at which something changed, and the ones before.
var releases = []kerneltest.Version{
	{Major: 3, Minor: 4}, {Major: 3, Minor: 5}, {Major: 3, Minor: 6}, {Major: 3, Minor: 7}, {Major: 3, Minor: 8},
	{Major: 3, Minor: 9}, {Major: 3, Minor: 10}, {Major: 3, Minor: 13}, {Major: 3, Minor: 14}, {Major: 4, Minor: 2},
	{Major: 4, Minor: 3}, {Major: 4, Minor: 4}, {Major: 4, Minor: 5}, {Major: 5, Minor: 10}, {Major: 6, Minor: 12},
	{Major: 7, Minor: 3},
}

func before(v kerneltest.Version, major, minor int) bool {
	return v.Major < major || v.Major == major && v.Minor < minor
}

// configs are the fields that are flags, the release that they need, and all of
// them together.
var configs = []struct {
	field        string
	c            queue.Config
	major, minor int
}{
	{"", queue.Config{}, 0, 0},
	{"", queue.Config{NoGSO: true}, 0, 0},
	{"FailOpen", queue.Config{FailOpen: true}, 3, 6},
	{"Conntrack", queue.Config{Conntrack: true, NoGSO: true}, 3, 6},
	{"Owner", queue.Config{Owner: true, FailOpen: true, Conntrack: true}, 3, 14},
	{"SecurityContext", queue.Config{SecurityContext: true, FailOpen: true, Conntrack: true, Owner: true}, 4, 3},
}

// eachRelease runs test on a kernel of each release.
func eachRelease(t *testing.T, o kerneltest.Options, test func(s *sim)) {
	t.Helper()
	for _, v := range releases {
		o.Linux = v
		k := nfqueueKind
		k.name = fmt.Sprintf("Linux %d.%d", v.Major, v.Minor)
		simulate(t, []kind{k}, o, test)
	}
}

// TestReleases opens a queue with each Config on each release. Either a packet of
// each family comes and can be decided, or the error names the field that the
// release cannot honour; and then the number is free again.
func TestReleases(t *testing.T) {
	eachRelease(t, kerneltest.Options{}, func(s *sim) {
		for _, tt := range configs {
			q, err := s.kind.open(s.ctx, tt.c)
			if before(s.release, tt.major, tt.minor) {
				if !errors.Is(err, queue.ErrUnsupported) || !namesOne(err, tt.c) {
					s.Errorf("%+v: %v, want ErrUnsupported that names a field of those", tt.c, err)
				}
				continue
			}
			if err != nil {
				s.Errorf("%+v: %v", tt.c, err)
				continue
			}
			s.q = q
			for _, f := range []kerneltest.Family{kerneltest.IPv4, kerneltest.IPv6} {
				j := s.injectPacket(kerneltest.Packet{Family: f, Payload: simUDP(f == kerneltest.IPv6, pattern(9))})
				s.ok(s.next().Accept())
				s.fate(j, kerneltest.Accepted)
			}
			s.ok(q.Close())
			if n := len(s.kernel.Sockets()); n != 0 {
				s.Errorf("%d sockets are left open", n)
			}
		}
	})
}

// namesOne reports whether an error names a field that is set in c and needs a
// release.
func namesOne(err error, c queue.Config) bool {
	for field, set := range map[string]bool{
		"FailOpen": c.FailOpen, "Conntrack": c.Conntrack, "Owner": c.Owner, "SecurityContext": c.SecurityContext,
	} {
		if set && strings.Contains(err.Error(), "Config."+field+" needs Linux") {
			return true
		}
	}
	return false
}

// TestReleasesGSO checks that GSO packets are queued unsplit by kernels that
// support it.
func TestReleasesGSO(t *testing.T) {
	eachRelease(t, kerneltest.Options{}, func(s *sim) {
		for _, noGSO := range []bool{false, true} {
			s.open(queue.Config{NoGSO: noGSO})
			s.injectPacket(kerneltest.Packet{Payload: simUDP(false, pattern(3000)), GSO: 1000})
			p := s.next()
			if whole := !noGSO && !before(s.release, 3, 10); p.GSO() != whole || len(p.Payload) > 2000 != whole {
				s.Errorf("NoGSO %t: %d bytes, GSO %t", noGSO, len(p.Payload), p.GSO())
			}
			s.ok(s.q.Close())
		}
	})
}

// TestReleasesFamilies checks the requests of Open: PF_BIND up to Linux 3.7,
// once for each family without a handler, and no others.
func TestReleasesFamilies(t *testing.T) {
	eachRelease(t, kerneltest.Options{}, func(s *sim) {
		var families []uint8
		s.setOnSend(func(b []byte) {
			var c wire.NFQConfig
			if c.Parse(b[wire.HeaderLen:]) == nil && c.Command == wire.CommandBindFamily {
				families = append(families, c.Family)
			}
		})
		want := "\x02\x0a"
		if !before(s.release, 3, 8) {
			want = ""
		}
		for range 2 { // the second finds them bound
			s.open(queue.Config{})
			s.ok(s.q.Close())
			if string(families) != want {
				s.Errorf("PF_BIND for %v, want % x", families, want)
			}
			families, want = nil, ""
		}
	})
}

// TestFamilyOfAnother opens nfnetlink_queue while another module handles one
// family.
func TestFamilyOfAnother(t *testing.T) {
	for _, tt := range []struct {
		modules kerneltest.Modules
		family  kerneltest.Family
		opens   bool
	}{
		{hasNFQ | hasIP6Q, kerneltest.IPv4, true},
		{hasNFQ | hasIPQ, kerneltest.IPv6, false},
		{hasNFQ | hasIPQ | hasIP6Q, kerneltest.IPv6, false},
	} {
		k := kerneltest.New(kerneltest.Options{Modules: tt.modules})
		q, err := queue.Open(sock.WithKernel(t.Context(), k), queue.Config{Backend: queue.NFQueue})
		if !tt.opens {
			if !errors.Is(err, ebusy) {
				t.Errorf("modules %b: %v, want EBUSY", tt.modules, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("modules %b: %v", tt.modules, err)
			continue
		}
		defer q.Close()
		j := k.Inject(kerneltest.Packet{Family: tt.family, Payload: simUDP(tt.family == kerneltest.IPv6, pattern(1))})
		if j.Fate() != kerneltest.Pending {
			t.Errorf("modules %b: %v, want Pending", tt.modules, j.Fate())
		}
	}
}

// TestReleasesNamespace opens a queue outside the initial network namespace. If
// it would get no packets, Open fails and releases the number, even if the
// kernel does not release it with the socket.
func TestReleasesNamespace(t *testing.T) {
	eachRelease(t, kerneltest.Options{OtherNamespace: true}, func(s *sim) {
		for _, c := range []queue.Config{{}, {NoGSO: true}, {FailOpen: true}, {}} {
			q, err := s.kind.open(s.ctx, c)
			if before(s.release, 3, 10) {
				if !errors.Is(err, queue.ErrUnsupported) || !strings.Contains(err.Error(), "Linux") {
					s.Errorf("%+v: %v, want ErrUnsupported that names a release", c, err)
				}
				continue
			}
			s.ok(err)
			s.q = q
			j := s.injectOne()
			s.ok(s.next().Accept())
			s.fate(j, kerneltest.Accepted)
			s.ok(q.Close())
		}
	})
}

// TestOpenLoadsModule makes the kernel load the module at the first request.
// From then on its counters can be read.
func TestOpenLoadsModule(t *testing.T) {
	eachRelease(t, kerneltest.Options{Autoload: true}, func(s *sim) {
		s.open(queue.Config{})
		s.injectOne()
		if k := s.stats().Kernel; k.Err != nil || k.Pending != 1 || k.LastID != 1 {
			s.Errorf("the kernel's row is %+v, want a pending packet", k)
		}
	})
}

// TestOpenOrdinary opens a queue with CAP_NET_ADMIN only. The counters of the
// kernel are missing, but gaps in the ids show losses.
func TestOpenOrdinary(t *testing.T) {
	simulate(t, nfqueueKinds, kerneltest.Options{Ordinary: true}, func(s *sim) {
		s.open(queue.Config{})
		s.injectOne()
		s.kernel.LosePackets(3)
		s.inject(3)
		s.injectOne()
		s.nextN(2)
		if n := s.stats(); n.Missed != 3 || !errors.Is(n.Kernel.Err, fs.ErrPermission) {
			s.Errorf("%+v, want 3 missed packets and a kernel's row that may not be read", n)
		}
	})
}

// TestOpenUnprivilegedIsQuick checks that Open without privilege does not wait
// for an owner.
func TestOpenUnprivilegedIsQuick(t *testing.T) {
	simulate(t, both, kerneltest.Options{Unprivileged: true}, func(s *sim) {
		start := time.Now()
		if _, err := s.kind.open(s.ctx, queue.Config{}); !errors.Is(err, eperm) {
			s.Errorf("%v, want EPERM", err)
		}
		if took := time.Since(start); took > 0 {
			s.Errorf("took %v", took)
		}
	})
}

// TestOpenOwnerGoing waits for an owner that is seen to go, and for one that
// cannot be seen, but not for one that lives.
func TestOpenOwnerGoing(t *testing.T) {
	for _, tt := range []struct {
		name    string
		o       kerneltest.Options
		exiting bool
		after   time.Duration // the owner goes
		opens   bool
		took    time.Duration // at most
	}{
		{"exits soon", kerneltest.Options{}, true, 400 * time.Millisecond, true, time.Second},
		{"exits late", kerneltest.Options{}, true, 9 * time.Second, true, 10 * time.Second},
		{"exits for ever", kerneltest.Options{}, true, time.Minute, false, 11 * time.Second},
		{"lives", kerneltest.Options{}, false, 600 * time.Millisecond, false, time.Second},
		{"cannot be seen", kerneltest.Options{Ordinary: true}, false, 400 * time.Millisecond, true, time.Second},
		{"cannot be seen, lives", kerneltest.Options{Ordinary: true}, false, 600 * time.Millisecond, false, time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			list := both
			if tt.o.Ordinary {
				list = nfqueueKinds
			}
			simulate(t, list, tt.o, func(s *sim) {
				owner := s.open(queue.Config{})
				if tt.exiting {
					s.kernel.Exit()
				}
				timer := time.AfterFunc(tt.after, func() { owner.Close() })
				start := time.Now()
				q, err := s.kind.open(s.ctx, queue.Config{})
				if (err == nil) != tt.opens {
					s.Errorf("Open: %v, want success: %t", err, tt.opens)
				}
				if took := time.Since(start); took > tt.took {
					s.Errorf("took %v, want at most %v", took, tt.took)
				}
				if timer.Stop() {
					owner.Close()
				}
				if err == nil {
					s.ok(q.Close())
				}
				synctest.Wait()
			})
		})
	}
}

// A releasedKernel no longer lists its sockets, as in the moment between the
// end of a socket and that of its queues.
type releasedKernel struct{ *kerneltest.Kernel }

func (releasedKernel) Holder(int, uint32) (sock.Process, error) {
	return sock.Process{}, fs.ErrNotExist
}

func TestOpenOwnerReleased(t *testing.T) {
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		owner := s.open(queue.Config{})
		time.AfterFunc(5*time.Second, func() { owner.Close() })
		q, err := s.kind.open(sock.WithKernel(s.ctx, releasedKernel{s.kernel}), queue.Config{})
		s.ok(err)
		s.ok(q.Close())
	})
}
