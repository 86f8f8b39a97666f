package kerneltest

import (
	"errors"
	"io/fs"
	"testing"

	"github.com/ipqueue/ipqueue/internal/sock"
)

const idleIPQ = `Peer PID          : 0
Copy mode         : 0
Copy range        : 0
Queue length      : 0
Queue max. length : 1024
Queue dropped     : 0
Netlink dropped   : 0
`

const idleIP6Q = `Peer PID          : 0
Copy mode         : 0
Copy range        : 0
Queue length      : 0
Queue max. length : 7
Queue dropped     : 0
Netfilter dropped : 0
`

const owners = ` 0 NONE
 1 NONE
 2 ip_queue
 3 NONE
 4 NONE
 5 NONE
 6 NONE
 7 NONE
 8 NONE
 9 NONE
10 ip6_queue
11 NONE
12 NONE
`

// TestReadFile compares the files with those of a real kernel.
func TestReadFile(t *testing.T) {
	both := New(Options{Modules: IPQueue | IP6Queue})
	if err := both.WriteFile(fileIP6QLimit, []byte("7\n")); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		k    *Kernel
		name string
		want string
	}{
		{both, fileIPQ, idleIPQ},
		{both, fileIP6Q, idleIP6Q},
		{both, fileOwners, owners},
		{both, fileIPQLimit, "1024\n"},
		{both, fileIP6QLimit, "7\n"},
		{New(Options{}), fileNFQ, ""},
	} {
		b, err := tt.k.ReadFile(tt.name)
		if err != nil || string(b) != tt.want {
			t.Errorf("%s is %q, %v; want %q", tt.name, b, err, tt.want)
		}
	}
}

func TestFileErrors(t *testing.T) {
	k := New(Options{})
	old := New(Options{Modules: IPQueue, Unprivileged: true})
	read := func(k *Kernel, name string) error { _, err := k.ReadFile(name); return err }
	for name, tt := range map[string]struct{ got, want error }{
		"no ip_queue":        {read(k, fileIPQ), fs.ErrNotExist},
		"no limit":           {read(k, fileIPQLimit), fs.ErrNotExist},
		"no owners":          {read(k, fileOwners), fs.ErrNotExist},
		"no nfqueue":         {read(old, fileNFQ), fs.ErrNotExist},
		"nfqueue, no root":   {read(New(Options{Unprivileged: true}), fileNFQ), fs.ErrPermission},
		"ip_queue, no root":  {read(old, fileIPQ), nil},
		"write, no root":     {old.WriteFile(fileIPQLimit, []byte("1")), fs.ErrPermission},
		"write read-only":    {k.WriteFile(fileNFQ, nil), fs.ErrPermission},
		"write nothing":      {k.WriteFile("/proc/nothing", nil), fs.ErrNotExist},
		"write no number":    {New(Options{Modules: IPQueue}).WriteFile(fileIPQLimit, []byte("x")), errInval},
		"unloaded":           {read(unloaded(), fileNFQ), fs.ErrNotExist},
		"no such proc entry": {read(k, "/etc/passwd"), fs.ErrNotExist},
	} {
		if !errors.Is(tt.got, tt.want) {
			t.Errorf("%s: %v, want %v", name, tt.got, tt.want)
		}
	}
}

func unloaded() *Kernel {
	k := New(Options{})
	k.Unload(NFQueue)
	return k
}

func TestMixedOwners(t *testing.T) {
	k := New(Options{Modules: NFQueue | IP6Queue})
	s := open(t, k, sock.Config{Protocol: sock.ProtoNetfilter})
	for f, want := range map[Family]Errno{IPv4: 0, Bridge: 0, IPv6: errBusy} {
		if got := request(t, s, native, nfqRequest(nfqConfig, 0, familyAttr(commandPFBind, f))); got != want {
			t.Errorf("PF_BIND of family %d = %v, want %v", f, got, want)
		}
	}
	for f, want := range map[Family]string{IPv4: "nf_queue", IPv6: "ip6_queue", Bridge: "nf_queue"} {
		if got := k.owner(f); got != want {
			t.Errorf("family %d belongs to %s, want %s", f, got, want)
		}
	}
}

func TestPeerPIDIsSigned(t *testing.T) {
	k, s, _ := boundIPQ(t, Options{}, sock.Config{})
	k.ipq(sock.ProtoFirewall).peer = 1<<32 - 5
	b, _ := k.ReadFile(fileIPQ)
	if want := "Peer PID          : -5\n"; string(b[:len(want)]) != want {
		t.Errorf("got %q, want %q", b[:len(want)], want)
	}
	_ = s
}

func TestHolder(t *testing.T) {
	k := New(Options{Process: 99})
	for range 2 {
		s, err := k.Open(sock.Config{Protocol: sock.ProtoNetfilter})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := k.Holder(sock.ProtoNetfilter, s.Port()); got != (sock.Process{ID: 99}) || err != nil {
			t.Errorf("Holder of port %d = %+v, %v, want 99", s.Port(), got, err)
		}
		if _, err := k.Holder(sock.ProtoFirewall, s.Port()); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Holder of the port in another protocol: %v, want fs.ErrNotExist", err)
		}
	}
}
