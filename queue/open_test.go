package queue_test

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/queue"
)

// A host is a kernel whose files a test can add, or hide with nil.
type host struct {
	*kerneltest.Kernel
	files map[string][]byte
}

func (h *host) ReadFile(name string) ([]byte, error) {
	if text, ok := h.files[name]; ok {
		if text == nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
		}
		return text, nil
	}
	return h.Kernel.ReadFile(name)
}

// opensIPQueue reports which kernel queue Open took.
func opensIPQueue(t *testing.T, k sock.Kernel, c queue.Config) bool {
	t.Helper()
	q, err := queue.Open(sock.WithKernel(context.Background(), k), c)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	text, err := k.ReadFile("/proc/net/netfilter/nfnetlink_queue")
	return err != nil || len(text) == 0
}

const (
	hasNFQ  = kerneltest.NFQueue
	hasIPQ  = kerneltest.IPQueue
	hasIP6Q = kerneltest.IP6Queue
)

func TestOpenAuto(t *testing.T) {
	for name, tt := range map[string]struct {
		modules kerneltest.Modules
		blind   bool // /proc/net/netfilter/nf_queue cannot be read
		c       queue.Config
		ipqueue bool
	}{
		"new kernel":                {hasNFQ, false, queue.Config{}, false},
		"new kernel, long queue":    {hasNFQ, false, queue.Config{QueueLength: 8192}, false},
		"ip_queue alone":            {hasIPQ, false, queue.Config{}, true},
		"ip_queue owns IPv4":        {hasIPQ | hasNFQ, false, queue.Config{}, true},
		"ip6_queue owns IPv6":       {hasIP6Q | hasNFQ, false, queue.Config{Family: queue.IPv6}, true},
		"ip6_queue owns IPv6 alone": {hasIP6Q | hasNFQ, false, queue.Config{}, false},
		"owner unknown":             {hasIPQ | hasNFQ, true, queue.Config{}, true},
		"owner unknown, no module":  {hasIP6Q | hasNFQ, true, queue.Config{}, false},
		"Number":                    {hasIP6Q | hasNFQ, false, queue.Config{Number: 3}, false},
		"NoGSO":                     {hasIPQ | hasNFQ, false, queue.Config{NoGSO: true}, true},
		"NoGSO, new kernel":         {hasNFQ, false, queue.Config{NoGSO: true}, false},
		"FailOpen":                  {hasNFQ, false, queue.Config{FailOpen: true}, false},
		"Backend":                   {hasIP6Q | hasNFQ, false, queue.Config{Backend: queue.NFQueue}, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := &host{Kernel: kerneltest.New(kerneltest.Options{Modules: tt.modules})}
			if tt.blind {
				h.files = map[string][]byte{"/proc/net/netfilter/nf_queue": nil}
			}
			if got := opensIPQueue(t, h, tt.c); got != tt.ipqueue {
				t.Errorf("took ip_queue: %t, want %t", got, tt.ipqueue)
			}
			if n := len(h.Sockets()); n != 0 {
				t.Errorf("%d sockets are left open", n)
			}
		})
	}
}

func TestOpenNeither(t *testing.T) {
	err := openOn(t, kerneltest.Options{Modules: kerneltest.NoQueue}, queue.Config{})
	if !errors.Is(err, eprotonosupport) {
		t.Errorf("%v is not EPROTONOSUPPORT", err)
	}
	if strings.Contains(err.Error(), "ip_queue") || !strings.Contains(err.Error(), "CONFIG_NETFILTER_NETLINK_QUEUE") {
		t.Errorf("%q is not about nfnetlink_queue alone", err)
	}
}

// TestOpenErrors checks the errno and the advice of errors.
func TestOpenErrors(t *testing.T) {
	for name, tt := range map[string]struct {
		o    kerneltest.Options
		c    queue.Config
		want error
		says string
	}{
		"nfnetlink_queue, no privilege": {
			kerneltest.Options{Unprivileged: true}, queue.Config{}, eperm, "CAP_NET_ADMIN"},
		"ip_queue, no privilege": {
			kerneltest.Options{Unprivileged: true, Modules: hasIPQ}, queue.Config{}, fs.ErrPermission, "CAP_NET_ADMIN"},
		"no netfilter netlink": {
			kerneltest.Options{Modules: hasIP6Q}, queue.Config{Number: 1}, eprotonosupport, "nfnetlink_queue"},
		"no ip_queue": {
			kerneltest.Options{}, queue.Config{Backend: queue.IPQueue}, eprotonosupport, "ip_queue"},
		"no ip6_queue": {
			kerneltest.Options{}, queue.Config{Backend: queue.IPQueue, Family: queue.IPv6}, eprotonosupport, "ip6_queue"},
		"no conntrack": {
			kerneltest.Options{NoConntrack: true}, queue.Config{Conntrack: true}, eopnotsupp, "Config.Conntrack"},
		"no security marks": {
			kerneltest.Options{NoSecmark: true}, queue.Config{SecurityContext: true}, queue.ErrUnsupported, "Config.SecurityContext"},
		"sysctl not writable": {
			kerneltest.Options{Unprivileged: true, Modules: hasIPQ}, queue.Config{QueueLength: 5}, fs.ErrPermission, "CAP_NET_ADMIN"},
	} {
		t.Run(name, func(t *testing.T) {
			err := openOn(t, tt.o, tt.c)
			if !errors.Is(err, tt.want) {
				t.Errorf("%v is not %v", err, tt.want)
			}
			if !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%q does not say %q", err, tt.says)
			}
		})
	}
}

// TestOpenModuleGone unloads the module between socket and first message.
func TestOpenModuleGone(t *testing.T) {
	for _, tt := range []struct {
		modules kerneltest.Modules
		want    kerneltest.Errno
		says    string
	}{
		{hasNFQ, einval, "load module nfnetlink_queue"},
		{hasIPQ, econnrefused, "load module ip_queue"},
	} {
		var k *kerneltest.Kernel
		k = kerneltest.New(kerneltest.Options{
			Modules: tt.modules,
			OnSend:  func(uint32, []byte) { k.Unload(tt.modules) },
		})
		c := queue.Config{Backend: queue.IPQueue}
		if tt.modules == hasNFQ {
			c.Backend = queue.NFQueue
		}
		_, err := queue.Open(sock.WithKernel(context.Background(), k), c)
		if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%v is not %v that says %q", err, tt.want, tt.says)
		}
		if n := len(k.Sockets()); n != 0 {
			t.Errorf("%d sockets are left open", n)
		}
	}
}

// TestOpenOwned opens a queue that belongs to another socket.
func TestOpenOwned(t *testing.T) {
	for k, want := range map[kind]kerneltest.Errno{nfqueueKind: eperm, ipqueueKind: ebusy} {
		simulate(t, []kind{k}, kerneltest.Options{Process: 4711}, func(s *sim) {
			s.open(queue.Config{})
			ctx := sock.WithKernel(context.Background(), &host{s.kernel, map[string][]byte{
				"/proc/4711/comm": []byte("firewalld\n"),
			}})
			start := time.Now()
			_, err := s.kind.open(ctx, queue.Config{})
			if !errors.Is(err, want) {
				s.Errorf("%v is not %v", err, want)
			}
			for _, word := range []string{"netlink port 4711", "process 4711", "firewalld"} {
				if !strings.Contains(err.Error(), word) {
					s.Errorf("%q does not say %q", err, word)
				}
			}
			if took := time.Since(start); took < 100*time.Millisecond || took > 5*time.Second {
				s.Errorf("gave up after %v", took)
			}
			if n := len(s.kernel.Sockets()); n != 1 {
				s.Errorf("%d sockets are open, want the owner's alone", n)
			}
		})
	}
}

// TestOpenOwnerDying opens a queue whose owner goes away a little later.
func TestOpenOwnerDying(t *testing.T) {
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		owner := s.open(queue.Config{})
		time.AfterFunc(100*time.Millisecond, func() { owner.Close() })
		s.open(queue.Config{})
		j := s.injectOne()
		s.ok(s.next().Accept())
		s.fate(j, kerneltest.Accepted)
	})
}

// TestOpenOwnerDyingEnds gives up waiting for the owner when the context ends.
func TestOpenOwnerDyingEnds(t *testing.T) {
	cause := errors.New("no more")
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		ctx, cancel := context.WithCancelCause(sock.WithKernel(context.Background(), s.kernel))
		time.AfterFunc(30*time.Millisecond, func() { cancel(cause) })
		start := time.Now()
		if _, err := s.kind.open(ctx, queue.Config{}); !errors.Is(err, cause) {
			s.Errorf("%v is not the context's cause", err)
		}
		if took := time.Since(start); took > 100*time.Millisecond {
			s.Errorf("took %v", took)
		}
	})
}

// TestOpenEnded opens with a context that has ended, or that ends meanwhile.
func TestOpenEnded(t *testing.T) {
	cause := errors.New("no more")
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		ended, end := context.WithCancelCause(s.ctx)
		end(cause)
		if _, err := s.kind.open(ended, queue.Config{}); !errors.Is(err, cause) {
			s.Errorf("already ended: %v, want the cause", err)
		}
		if n := len(s.sentSoFar()); n != 0 {
			s.Errorf("already ended: %d datagrams sent", n)
		}
		s.kernel.HoldReplies()
		for _, after := range []time.Duration{time.Millisecond, time.Second} {
			ctx, cancel := context.WithTimeoutCause(s.ctx, after, cause)
			if _, err := s.kind.open(ctx, queue.Config{}); !errors.Is(err, cause) {
				s.Errorf("ends after %v: %v, want the cause", after, err)
			}
			cancel()
			if n := len(s.kernel.Sockets()); n != 0 {
				s.Errorf("%d sockets are left open", n)
			}
		}
		s.kernel.ReleaseReplies()
	})
}

// TestOpenSocketFails breaks the socket while Open waits.
func TestOpenSocketFails(t *testing.T) {
	simulate(t, both, kerneltest.Options{}, func(s *sim) {
		s.kernel.HoldReplies()
		time.AfterFunc(time.Millisecond, func() { s.socket().FailReceive(eio) })
		q, err := s.kind.open(s.ctx, queue.Config{})
		if err == nil {
			_ = q.Close()
		}
		if !errors.Is(err, eio) {
			s.Errorf("%v is not EIO", err)
		}
		s.kernel.ReleaseReplies()
		synctest.Wait()
	})
}

// A refusingKernel is a kernel in which no socket can be opened, for example
// because Config.NetNS must not be entered.
type refusingKernel struct {
	sock.Kernel
	err error
}

func (k refusingKernel) Open(sock.Config) (sock.Socket, error) { return nil, k.err }

func TestOpenNoSocket(t *testing.T) {
	for _, backend := range []queue.Backend{queue.NFQueue, queue.IPQueue} {
		k := refusingKernel{Kernel: kerneltest.New(kerneltest.Options{})}
		for _, err := range []error{eperm, enoent} {
			k.err = err
			_, got := queue.Open(sock.WithKernel(context.Background(), k), queue.Config{Backend: backend})
			if !errors.Is(got, err) {
				t.Errorf("%v: Open = %v, want %v", backend, got, err)
			}
		}
	}
}

// TestOpenOwnedBySecondSocket checks that the error names the owner even if its
// port is not its process id.
func TestOpenOwnedBySecondSocket(t *testing.T) {
	simulate(t, nfqueueKinds, kerneltest.Options{Process: 4711}, func(s *sim) {
		ctx := sock.WithKernel(context.Background(), &host{s.kernel, map[string][]byte{
			"/proc/4711/comm": []byte("firewalld\n"),
		}})
		s.open(queue.Config{})
		second, err := queue.Open(ctx, queue.Config{Number: 8})
		if err != nil {
			s.Fatal(err)
		}
		defer second.Close()
		_, err = queue.Open(ctx, queue.Config{Number: 8})
		if err == nil || !strings.Contains(err.Error(), "taken by firewalld (process 4711, ") {
			s.Errorf("%v does not say whose queue it is", err)
		}
	})
}

// A watched kernel records the netlink protocols of the sockets opened.
type watched struct {
	sock.Kernel
	protocols []int
}

func (w *watched) Open(c sock.Config) (sock.Socket, error) {
	w.protocols = append(w.protocols, c.Protocol)
	return w.Kernel.Open(c)
}

// TestOpenAutoAsksForIPQueue checks that Open does not try ip_queue on kernels
// that cannot have it.
func TestOpenAutoAsksForIPQueue(t *testing.T) {
	for linux, want := range map[kerneltest.Version][]int{
		{Major: 3, Minor: 4}:  {sock.ProtoFirewall, sock.ProtoNetfilter},
		{Major: 3, Minor: 6}:  {sock.ProtoNetfilter},
		{Major: 6, Minor: 18}: {sock.ProtoNetfilter},
	} {
		w := &watched{Kernel: kerneltest.New(kerneltest.Options{Linux: linux})}
		q, err := queue.Open(sock.WithKernel(t.Context(), w), queue.Config{})
		if err != nil {
			t.Fatal(err)
		}
		q.Close()
		if !slices.Equal(w.protocols, want) {
			t.Errorf("Linux %v: sockets of protocols %d, want %d", linux, w.protocols, want)
		}
	}
}
