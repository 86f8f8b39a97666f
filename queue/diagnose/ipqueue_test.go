package diagnose_test

import (
	"cmp"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/queue"
	"github.com/ipqueue/ipqueue/queue/diagnose"
)

func TestRunIPQueue(t *testing.T) {
	for _, tt := range []struct {
		name    string
		options kerneltest.Options
		release string
		files   map[string][]byte
		c       queue.Config
		want    diagnose.Severity
		about   diagnose.Subject
		words   []string
	}{
		{name: "nobody serves it", options: kerneltest.Options{Modules: kerneltest.IPQueue},
			want: diagnose.Note, about: diagnose.AboutQueue, words: []string{"No program has opened ip_queue"}},
		{name: "it is loaded", options: kerneltest.Options{Modules: kerneltest.IP6Queue}, c: queue.Config{Family: queue.IPv6},
			want: diagnose.Good, about: diagnose.AboutModule, words: []string{"ip6_queue is loaded"}},
		{name: "rules cannot be read", options: kerneltest.Options{Modules: kerneltest.IP6Queue}, c: queue.Config{Family: queue.IPv6},
			want: diagnose.Unseen, about: diagnose.AboutRules, words: []string{"ip6tables-save"}},
		{name: "it is not loaded", c: queue.Config{Backend: queue.IPQueue},
			want: diagnose.Fault, about: diagnose.AboutModule, words: []string{"modprobe ip_queue"}},
		{name: "it is gone for ever", release: "6.1.0", c: queue.Config{Backend: queue.IPQueue},
			want: diagnose.Fault, about: diagnose.AboutModule, words: []string{"use nfnetlink_queue"}},
		{name: "the other has the family", release: "3.4.0", c: queue.Config{Backend: queue.IPQueue},
			options: kerneltest.Options{Modules: kerneltest.NFQueue, Linux: kerneltest.Version{Major: 3, Minor: 4}},
			files:   map[string][]byte{"/proc/net/netfilter/nf_queue": []byte(" 2 nf_queue\n")},
			want:    diagnose.Fault, about: diagnose.AboutModule, words: []string{"IPv4 packets go to nfnetlink_queue, not to ip_queue", "rmmod nfnetlink_queue"}},
		{name: "it is hidden", options: kerneltest.Options{Modules: kerneltest.IPQueue}, c: queue.Config{Backend: queue.IPQueue},
			files: map[string][]byte{"/proc/net/ip_queue": nil},
			want:  diagnose.Unseen, about: diagnose.AboutModule},
		{name: "its file makes no sense", options: kerneltest.Options{Modules: kerneltest.IPQueue},
			files: map[string][]byte{"/proc/net/ip_queue": []byte("Peer PID : many\n")},
			want:  diagnose.Unseen, about: diagnose.AboutQueue},
		{name: "config is for nfnetlink_queue", c: queue.Config{Backend: queue.IPQueue, FailOpen: true},
			want: diagnose.Fault, about: diagnose.AboutConfig, words: []string{"Config.FailOpen"}},
		{name: "Auto, config is for nfnetlink_queue", options: kerneltest.Options{Modules: kerneltest.IPQueue}, c: queue.Config{FailOpen: true},
			want: diagnose.Fault, about: diagnose.AboutConfig, words: []string{"Open will refuse", "Config.FailOpen"}},
		{name: "privileged", options: kerneltest.Options{Modules: kerneltest.IPQueue},
			want: diagnose.Good, about: diagnose.AboutPrivilege},
		{name: "unprivileged", options: kerneltest.Options{Modules: kerneltest.IPQueue},
			files: map[string][]byte{"/proc/self/status": []byte(noCapabilities)},
			want:  diagnose.Fault, about: diagnose.AboutPrivilege},
		{name: "privilege is hidden", options: kerneltest.Options{Modules: kerneltest.IPQueue},
			files: map[string][]byte{"/proc/self/status": nil},
			want:  diagnose.Unseen, about: diagnose.AboutPrivilege},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHost(tt.options, cmp.Or(tt.release, "3.4.0"))
			for name, text := range tt.files {
				h.files[name] = text
			}
			wantFinding(t, h.run(tt.c), tt.want, tt.about, tt.words...)
		})
	}
}

func TestRunIPQueuePeer(t *testing.T) {
	h := newHost(kerneltest.Options{Modules: kerneltest.IPQueue, MaxLength: 1}, "3.4.0")
	h.open(t, queue.Config{Mode: queue.Range(64)})
	for range 3 {
		h.Inject(kerneltest.Packet{Payload: make([]byte, 28)})
	}
	r := h.run(queue.Config{})
	wantFinding(t, r, diagnose.Good, diagnose.AboutQueue, "ip_queue belongs to netlink port 4711, in mode Range(64)")
	wantFinding(t, r, diagnose.Note, diagnose.AboutLoss, "ip_queue was full and has lost 2 packets since the module was loaded")
}

// With ip_queue, only losses between two checks are known to be new.
func TestRunIPQueueLosesNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(kerneltest.Options{Modules: kerneltest.IPQueue, MaxLength: 1}, "3.4.0")
		h.open(t, queue.Config{})
		inject := func() { h.Inject(kerneltest.Packet{Payload: make([]byte, 28)}) }
		inject()
		inject()
		time.AfterFunc(time.Second/2, inject)
		r := h.run(queue.Config{})
		wantFinding(t, r, diagnose.Warning, diagnose.AboutLoss, "ip_queue is full and has lost 1 packet within a second")
		wantFinding(t, r, diagnose.Warning, diagnose.AboutLoss, "ip_queue has 1 packet waiting, and netlink port 4711 has decided none")
	})
}

// A peer whose socket no longer exists blocks other programs.
func TestRunIPQueueStalePeer(t *testing.T) {
	h := newHost(kerneltest.Options{Modules: kerneltest.IPQueue}, "3.4.0")
	h.files["/proc/net/ip_queue"] = []byte("Peer PID          : 99\nCopy mode         : 2\nQueue length      : 0\n")
	r := h.run(queue.Config{})
	wantFinding(t, r, diagnose.Fault, diagnose.AboutQueue, "ip_queue belongs to netlink port 99, whose socket no longer exists", "rmmod ip_queue; modprobe ip_queue")
	wantAbout(t, r, diagnose.AboutQueue, 1)
}

// The kernel queue that Auto chooses, and whether Open can load its module.
func TestRunIPQueueModule(t *testing.T) {
	const dir, dep, file = "/lib/modules/3.4.0/", "/lib/modules/3.4.0/modules.dep", "/lib/modules/3.4.0/kernel/net/ipv4/netfilter/ip_queue.ko"
	listed := map[string]string{dep: "kernel/net/ipv4/netfilter/ip_queue.ko:\n", dir + "modules.builtin": "", file: ""}
	with := func(more map[string]string) map[string]string {
		m := maps.Clone(listed)
		maps.Copy(m, more)
		return m
	}
	for _, tt := range []struct {
		name  string
		files map[string]string
		c     queue.Config
		want  diagnose.Severity
		words string
	}{
		{"Auto, to be loaded", listed, queue.Config{}, diagnose.Note, "Module ip_queue is not loaded yet; Open will load it"},
		{"Auto, in another namespace", with(map[string]string{"/proc/modules": "ip_queue 1 0 - Live 0x0\n"}), queue.Config{}, diagnose.Good, "Module nfnetlink_queue is available"},
		{"Auto, not to be loaded", with(map[string]string{"/etc/modprobe.d/x.conf": "blacklist ip_queue\n"}), queue.Config{}, diagnose.Good, "Module nfnetlink_queue is available"},
		{"in another namespace", with(map[string]string{"/proc/modules": "ip_queue 1 0 - Live 0x0\n"}), queue.Config{Backend: queue.IPQueue}, diagnose.Fault, "works only in the initial network namespace"},
		{"blacklist", with(map[string]string{"/etc/modprobe.d/x.conf": "blacklist ip_queue\n"}), queue.Config{Backend: queue.IPQueue}, diagnose.Fault, "Open cannot load it"},
		{"install rule of its alias", with(map[string]string{"/etc/modprobe.d/x.conf": "install net-pf-16-proto-3 /bin/true\n"}), queue.Config{Backend: queue.IPQueue}, diagnose.Fault, "Open cannot load it"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHost(kerneltest.Options{Modules: kerneltest.NFQueue, Linux: kerneltest.Version{Major: 3, Minor: 8}}, "3.4.0")
			for name, text := range tt.files {
				h.files[name] = []byte(text)
			}
			wantFinding(t, h.run(tt.c), tt.want, diagnose.AboutModule, tt.words)
		})
	}
}
