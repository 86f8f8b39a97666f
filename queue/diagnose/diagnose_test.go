package diagnose_test

import (
	"context"
	"io/fs"
	"strings"
	"testing"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/queue"
	"github.com/ipqueue/ipqueue/queue/diagnose"
)

const noCapabilities = "CapEff:\t0000000000000000\n"

// Run does not disturb a queue in use.
func TestRunLeavesQueueAlone(t *testing.T) {
	h := newHost(kerneltest.Options{}, "")
	h.open(t, queue.Config{Number: 7, Mode: queue.Range(128)})
	const status = "/proc/net/netfilter/nfnetlink_queue"
	before, _ := h.ReadFile(status)
	r := h.run(queue.Config{Number: 7})
	if after, _ := h.ReadFile(status); string(after) != string(before) {
		t.Errorf("the queue changed from %q to %q", before, after)
	}
	if n := len(h.Sockets()); n != 1 {
		t.Errorf("%d sockets are open, want the queue's", n)
	}
	wantFinding(t, r, diagnose.Good, diagnose.AboutKernel, "Linux 6.18.3")
	wantFinding(t, r, diagnose.Good, diagnose.AboutKernel, "FailOpen", "Packet.ClassID")
	wantFinding(t, r, diagnose.Good, diagnose.AboutModule, "nfnetlink_queue")
	wantFinding(t, r, diagnose.Good, diagnose.AboutPrivilege)
	wantFinding(t, r, diagnose.Good, diagnose.AboutQueue, "Queue 7 belongs to netlink port 4711, in mode Range(128)")
	wantFinding(t, r, diagnose.Good, diagnose.AboutGSO)
	wantFinding(t, r, diagnose.Good, diagnose.AboutBuffer, "8388608")
	wantAbout(t, r, diagnose.AboutLoss, 0)
	wantAbout(t, r, diagnose.AboutConfig, 0)
	if len(r.Queues) != 1 || r.Queues[0].Number != 7 || r.Queues[0].Port != 4711 {
		t.Errorf("queues %+v, want number 7 of port 4711", r.Queues)
	}
}

func TestRunNFQueue(t *testing.T) {
	for _, tt := range []struct {
		name    string
		options kerneltest.Options
		release string
		files   map[string][]byte // further ones
		c       queue.Config
		want    diagnose.Severity
		about   diagnose.Subject
		words   []string
	}{
		{name: "config is invalid", c: queue.Config{QueueLength: -1},
			want: diagnose.Fault, about: diagnose.AboutConfig, words: []string{"Config.QueueLength must not be negative"}},
		{name: "config is for ip_queue", c: queue.Config{Backend: queue.NFQueue, Family: queue.IPv6},
			want: diagnose.Fault, about: diagnose.AboutConfig, words: []string{"Config.Family"}},
		{name: "release is too old", release: "3.5.0-generic", c: queue.Config{Owner: true},
			want: diagnose.Fault, about: diagnose.AboutConfig, words: []string{"Config.Owner needs Linux 3.14"}},
		{name: "the kernel says what it knows", release: "3.14.0", options: kerneltest.Options{NoSecmark: true, NoConntrack: true},
			want: diagnose.Good, about: diagnose.AboutKernel, words: []string{"supports FailOpen, GSO packets, Owner."}},
		{name: "the kernel knows connections", release: "3.14.0", c: queue.Config{Conntrack: true},
			want: diagnose.Good, about: diagnose.AboutKernel, words: []string{"supports FailOpen, Conntrack, GSO packets, Owner, SecurityContext."}},
		{name: "no security labels", options: kerneltest.Options{NoSecmark: true}, c: queue.Config{SecurityContext: true},
			want: diagnose.Fault, about: diagnose.AboutConfig, words: []string{"does not support Config.SecurityContext", "CONFIG_NETWORK_SECMARK"}},
		{name: "release makes no sense", release: "new",
			want: diagnose.Unseen, about: diagnose.AboutKernel, words: []string{"new"}},
		{name: "no netlink", options: kerneltest.Options{Modules: kerneltest.NoQueue},
			want: diagnose.Fault, about: diagnose.AboutModule, words: []string{"No netlink socket", "modprobe nfnetlink_queue"}},
		{name: "nobody has bound it", c: queue.Config{Number: 5},
			want: diagnose.Note, about: diagnose.AboutQueue, words: []string{"No program has bound queue 5"}},
		{name: "unprivileged", options: kerneltest.Options{Unprivileged: true},
			files: map[string][]byte{"/proc/self/status": []byte(noCapabilities)},
			want:  diagnose.Fault, about: diagnose.AboutPrivilege, words: []string{"lacks CAP_NET_ADMIN", "setcap"}},
		{name: "privileged elsewhere", options: kerneltest.Options{Unprivileged: true},
			want: diagnose.Fault, about: diagnose.AboutPrivilege, words: []string{"user namespace"}},
		{name: "unprivileged, long ago", release: "3.2.0",
			files: map[string][]byte{"/proc/self/status": []byte(noCapabilities)},
			want:  diagnose.Fault, about: diagnose.AboutPrivilege, words: []string{"lacks CAP_NET_ADMIN"}},
		{name: "queues are hidden", options: kerneltest.Options{Unprivileged: true},
			want: diagnose.Unseen, about: diagnose.AboutQueue, words: []string{"run as root"}},
		{name: "no nftables",
			want: diagnose.Note, about: diagnose.AboutRules, words: []string{"no nftables"}},
		{name: "legacy rules, perhaps", files: map[string][]byte{"/proc/net/ip_tables_names": []byte("nat\nfilter\n")},
			want: diagnose.Unseen, about: diagnose.AboutRules, words: []string{"nat, filter", "iptables-legacy-save"}},
		{name: "legacy rules make it unknown", files: map[string][]byte{"/proc/net/ip6_tables_names": []byte("filter\n")},
			want: diagnose.Unseen, about: diagnose.AboutRules, words: []string{"No rule that could be read"}},
		{name: "legacy target", files: map[string][]byte{
			"/proc/net/ip_tables_names": []byte("filter\n"), "/proc/net/ip_tables_targets": []byte("DNAT\nNFQUEUE\nNFQUEUE\n")},
			want: diagnose.Unseen, about: diagnose.AboutRules, words: []string{"; target NFQUEUE is loaded"}},
		{name: "no legacy target", files: map[string][]byte{
			"/proc/net/ip_tables_names": []byte("filter\n"), "/proc/net/ip_tables_targets": []byte("DNAT\n")},
			want: diagnose.Unseen, about: diagnose.AboutRules, words: []string{"; target NFQUEUE is not loaded"}},
		{name: "legacy rules are hidden", files: map[string][]byte{"/proc/net/ip_tables_names": nil},
			want: diagnose.Unseen, about: diagnose.AboutRules, words: []string{"legacy iptables", "run as root"}},
		{name: "legacy rules elsewhere", c: queue.Config{NetNS: 3},
			want: diagnose.Unseen, about: diagnose.AboutRules, words: []string{"ip6tables", "another network namespace"}},
		{name: "conntrack", c: queue.Config{Conntrack: true},
			want: diagnose.Good, about: diagnose.AboutConfig, words: []string{"supports Config.Conntrack"}},
		{name: "no conntrack", options: kerneltest.Options{NoConntrack: true}, c: queue.Config{Conntrack: true},
			want: diagnose.Fault, about: diagnose.AboutConfig, words: []string{"Config.Conntrack", "nf_conntrack_netlink"}},
		{name: "conntrack is hidden", options: kerneltest.Options{Unprivileged: true}, c: queue.Config{Conntrack: true},
			want: diagnose.Unseen, about: diagnose.AboutConfig, words: []string{"Config.Conntrack"}},
		{name: "GSO is off", c: queue.Config{NoGSO: true},
			want: diagnose.Note, about: diagnose.AboutGSO, words: []string{"several times slower"}},
		{name: "GSO is too new", release: "3.9.1",
			want: diagnose.Note, about: diagnose.AboutGSO, words: []string{"3.10"}},
		{name: "nothing can be replaced", release: "7.2.0", options: kerneltest.Options{UserNamespace: true},
			want: diagnose.Note, about: diagnose.AboutKernel, words: []string{"no packet be replaced", "rootless container"}},
		{name: "small buffer", options: kerneltest.Options{ReadBufferMax: 212992},
			want: diagnose.Warning, about: diagnose.AboutBuffer, words: []string{"8388608", "212992", "104 packets", "net.core.rmem_max"}},
		{name: "ip_queue has the family", release: "3.4.0",
			options: kerneltest.Options{Modules: kerneltest.NFQueue | kerneltest.IPQueue}, c: queue.Config{Backend: queue.NFQueue},
			want: diagnose.Fault, about: diagnose.AboutModule, words: []string{"IPv4 packets go to ip_queue", "rmmod ip_queue"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHost(tt.options, tt.release)
			for name, text := range tt.files {
				h.files[name] = text
			}
			r := h.run(tt.c)
			wantFinding(t, r, tt.want, tt.about, tt.words...)
			if got := r.Worst(); got < tt.want {
				t.Errorf("Worst = %v, want at least %v", got, tt.want)
			}
			if n := len(h.Sockets()); n != 0 {
				t.Errorf("%d sockets are left open", n)
			}
		})
	}
}

func TestRunEnds(t *testing.T) {
	k := kerneltest.New(kerneltest.Options{})
	k.HoldReplies()
	ctx, cancel := context.WithCancel(sock.WithKernel(context.Background(), k))
	cancel()
	r := diagnose.Run(ctx, queue.Config{})
	wantFinding(t, r, diagnose.Unseen, diagnose.AboutPrivilege, context.Canceled.Error())
}

// A blindHost has a /proc that shows only processes (mount option subset=pid).
type blindHost struct{ *host }

func (h blindHost) ReadFile(name string) ([]byte, error) {
	if strings.HasPrefix(name, "/proc/") && !strings.HasPrefix(name, "/proc/self/") && name != sock.ReleaseFile {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return h.host.ReadFile(name)
}

func (h blindHost) Open(c sock.Config) (sock.Socket, error) {
	s, err := h.host.Open(c)
	return blindSocket{s}, err
}

type blindSocket struct{ sock.Socket }

func (blindSocket) Status([]byte, int64) (int, error) {
	return 0, &fs.PathError{Op: "open", Path: "status", Err: fs.ErrNotExist}
}

// Where /proc shows nothing, nobody can say that a queue is not bound, that the
// module is not loaded or that there are no legacy rules.
func TestRunHiddenProc(t *testing.T) {
	rule := diagnose.Rule{Family: "inet", Table: "lab", Chain: "output", Handle: 3, Numbers: []uint16{7}}
	for _, rules := range [][]diagnose.Rule{nil, {rule}} {
		h := newHost(kerneltest.Options{}, "")
		h.open(t, queue.Config{Number: 7})
		ctx := diagnose.WithRules(sock.WithKernel(t.Context(), blindHost{h}), rules, nil)
		r := diagnose.Run(ctx, queue.Config{Number: 7})
		wantFinding(t, r, diagnose.Unseen, diagnose.AboutQueue, "Cannot read which queues are bound", "ProcSubset")
		wantFinding(t, r, diagnose.Unseen, diagnose.AboutRules, "legacy iptables", "ProcSubset")
		wantAbout(t, r, diagnose.AboutModule, 0)
		if r.Worst() >= diagnose.Warning {
			t.Errorf("Worst = %v, want less than Warning: %v", r.Worst(), r.Findings)
		}
	}
}
