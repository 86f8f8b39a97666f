package kerneltest

import (
	"errors"
	"io/fs"
	"testing"

	"github.com/ipqueue/ipqueue/internal/sock"
)

func TestVersionBefore(t *testing.T) {
	for _, tt := range []struct {
		a, b Version
		want bool
	}{
		{Version{6, 15}, Version{6, 16}, true},
		{Version{6, 16}, Version{6, 16}, false},
		{Version{5, 20}, Version{6, 16}, true},
		{Version{7, 0}, Version{6, 16}, false},
		{Version{3, 4}, Version{3, 8}, true},
	} {
		if got := tt.a.before(tt.b.Major, tt.b.Minor); got != tt.want {
			t.Errorf("%v before %v is %v", tt.a, tt.b, got)
		}
	}
}

// TestVersionFacts checks each behaviour in the release that changed it, and in the
// release before.
func TestVersionFacts(t *testing.T) {
	for name, tt := range map[string]struct {
		fact  func(Version) bool
		since Version
		from  bool // whether the fact holds since that version, otherwise before it
	}{
		"overshoots":    {Version.overshoots, Version{6, 16}, false},
		"capsAcks":      {Version.capsAcks, Version{4, 3}, true},
		"flagsCapped":   {Version.flagsCapped, Version{4, 12}, true},
		"roundsReplies": {Version.roundsReplies, Version{6, 2}, true},
		"hasPriority":   {Version.hasPriority, Version{5, 18}, true},
		"hasClassID":    {Version.hasClassID, Version{6, 4}, true},
		"hashes":        {Version.hashes, Version{6, 18}, true},
		"refusesEmpty":  {Version.refusesEmpty, Version{5, 16}, true},

		"bindsFamilies":   {Version.bindsFamilies, Version{3, 8}, false},
		"namespaced":      {Version.namespaced, Version{3, 10}, true},
		"knowsGSO":        {Version.knowsGSO, Version{3, 10}, true},
		"flagsLast":       {Version.flagsLast, Version{4, 5}, false},
		"missesConntrack": {Version.missesConntrack, Version{4, 5}, true},
		"bridges":         {Version.bridges, Version{4, 7}, true},
	} {
		before := Version{tt.since.Major, tt.since.Minor - 1}
		if tt.fact(tt.since) != tt.from || tt.fact(before) == tt.from {
			t.Errorf("%s does not change with %v to %v", name, tt.since, tt.from)
		}
	}
}

func TestUnknownCommand(t *testing.T) {
	for v, want := range map[Version]Errno{{6, 6}: 524, {6, 18}: errOpNotSupp} {
		_, s := boundNFQ(t, Options{Linux: v})
		if got := request(t, s, native, nfqRequest(nfqConfig, 0, commandAttr(9))); got != want {
			t.Errorf("%v: %d, want %d", v, got, want)
		}
	}
}

func TestDefaultVersion(t *testing.T) {
	for m, want := range map[Modules]Version{0: {6, 18}, NFQueue: {6, 18}, IPQueue: {3, 4}, NFQueue | IP6Queue: {3, 4}} {
		if got := New(Options{Modules: m}).opts.Linux; got != want {
			t.Errorf("modules %b: Linux %v, want %v", m, got, want)
		}
	}
}

// TestFlagsByVersion requests each flag, alone and with BIND in the same message.
func TestFlagsByVersion(t *testing.T) {
	const ok, ignored = Errno(0), Errno(0)
	for _, tt := range []struct {
		linux                                     Version
		failOpen, conntrack, gso, uid, secctx, no Errno
		bound                                     bool // the queue is bound after a refusal
	}{
		{Version{3, 4}, ignored, ignored, ignored, ignored, ignored, ignored, true},
		{Version{3, 6}, ok, ok, errOpNotSupp, errOpNotSupp, errOpNotSupp, errOpNotSupp, true},
		{Version{3, 8}, ok, ok, errOpNotSupp, errOpNotSupp, errOpNotSupp, errOpNotSupp, true},
		{Version{3, 10}, ok, ok, ok, errOpNotSupp, errOpNotSupp, errOpNotSupp, true},
		{Version{4, 1}, ok, ok, ok, ok, errOpNotSupp, errOpNotSupp, true},
		{Version{4, 4}, ok, ok, ok, ok, ok, errOpNotSupp, true},
		{Version{4, 5}, ok, ok, ok, ok, ok, errOpNotSupp, false},
		{Version{5, 10}, ok, ok, ok, ok, ok, errOpNotSupp, false},
		{Version{6, 12}, ok, ok, ok, ok, ok, errOpNotSupp, false},
		{Version{7, 3}, ok, ok, ok, ok, ok, errInval, false},
	} {
		for flag, want := range map[uint32]Errno{
			flagFailOpen: tt.failOpen, flagConntrack: tt.conntrack, flagGSO: tt.gso,
			flagUIDGID: tt.uid, flagSecCtx: tt.secctx, 1 << 31: tt.no,
		} {
			k := New(Options{Linux: tt.linux})
			s := open(t, k, sock.Config{Protocol: sock.ProtoNetfilter})
			alone := nfqRequest(nfqConfig, 0, flagsAttr(flag))
			unbound := request(t, s, native, alone)
			if wantUnbound := tt.linux.unbound(want); unbound != wantUnbound {
				t.Errorf("%v: flag %#x for a queue that is not bound: %v, want %v", tt.linux, flag, unbound, wantUnbound)
			}
			if got := request(t, s, native, nfqRequest(nfqConfig, 0, bindAttr(), flagsAttr(flag))); got != want {
				t.Errorf("%v: BIND with flag %#x: %v, want %v", tt.linux, flag, got, want)
			}
			if got := k.queueOf(0) != nil; got != (want == 0 || tt.bound) {
				t.Errorf("%v: bound after flag %#x: %t", tt.linux, flag, got)
			}
		}
	}
}

// unbound returns the errno of the reply to a flag for a queue that is not bound.
func (v Version) unbound(bound Errno) Errno {
	switch {
	case v.before(3, 6):
		return 0
	case v.before(4, 5), bound == 0:
		return errNoDev
	}
	return bound
}

// TestPFBindByVersion sends a packet to a bound queue before and after PF_BIND.
func TestPFBindByVersion(t *testing.T) {
	for linux, needed := range map[Version]bool{{3, 4}: true, {3, 7}: true, {3, 8}: false, {6, 12}: false} {
		k, s := boundNFQ(t, Options{Linux: linux})
		if j := k.Inject(Packet{Payload: ipv4("")}); (j.Fate() == Unheard) != needed {
			t.Errorf("%v: %v without PF_BIND", linux, j.Fate())
		}
		for i, want := range []Errno{0, errExist} {
			if !needed {
				want = 0
			}
			if got := request(t, s, native, nfqRequest(nfqConfig, 0, familyAttr(commandPFBind, IPv4))); got != want {
				t.Errorf("%v: PF_BIND number %d: %v, want %v", linux, i+1, got, want)
			}
		}
		if j := k.Inject(Packet{Payload: ipv4("")}); j.Fate() != Pending {
			t.Errorf("%v: %v after PF_BIND, want Pending", linux, j.Fate())
		}
		if got := request(t, s, native, nfqRequest(nfqConfig, 0, familyAttr(commandPFUnbind, IPv4))); got != 0 {
			t.Errorf("%v: PF_UNBIND: %v", linux, got)
		}
		if j := k.Inject(Packet{Payload: ipv4("")}); (j.Fate() == Unheard) != needed {
			t.Errorf("%v: %v after PF_UNBIND", linux, j.Fate())
		}
	}
}

// TestOtherNamespace binds a queue outside the initial namespace.
func TestOtherNamespace(t *testing.T) {
	for linux, served := range map[Version]bool{{3, 9}: false, {3, 10}: true} {
		k, s := boundNFQ(t, Options{Linux: linux, OtherNamespace: true})
		if j := k.Inject(Packet{Payload: ipv4("")}); (j.Fate() == Pending) != served {
			t.Errorf("%v: %v", linux, j.Fate())
		}
		if _, err := k.ReadFile(fileNFQ); (err == nil) != served {
			t.Errorf("%v: the status file: %v", linux, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if gone := k.queueOf(0) == nil; gone != served {
			t.Errorf("%v: the queue is gone with its socket: %t, want %t", linux, gone, served)
		}
	}
}

// TestAutoload checks that the status file does not exist before the first request.
func TestAutoload(t *testing.T) {
	k := New(Options{Autoload: true})
	s := open(t, k, sock.Config{Protocol: sock.ProtoNetfilter, StatusFile: "netfilter/nfnetlink_queue"})
	b := make([]byte, 100)
	if _, err := s.Status(b, 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Status before a request: %v, want fs.ErrNotExist", err)
	}
	bind(t, s, 0)
	if n, err := s.Status(b, 0); n == 0 || err != nil {
		t.Errorf("Status after a request = %d, %v", n, err)
	}
}
