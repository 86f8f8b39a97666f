package queue_test

import (
	"context"
	"testing"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/queue"
)

func TestDiagnoseIPQueue(t *testing.T) {
	for _, tt := range []struct {
		name    string
		options kerneltest.Options
		release string
		files   map[string][]byte
		c       queue.Config
		want    queue.Severity
		about   queue.Subject
		words   []string
	}{
		{name: "nobody serves it", options: kerneltest.Options{Modules: kerneltest.IPQueue},
			want: queue.Note, about: queue.AboutQueue, words: []string{"Nobody serves ip_queue"}},
		{name: "it is loaded", options: kerneltest.Options{Modules: kerneltest.IP6Queue}, c: queue.Config{Family: queue.IPv6},
			want: queue.Good, about: queue.AboutModule, words: []string{"ip6_queue is loaded"}},
		{name: "rules cannot be read", options: kerneltest.Options{Modules: kerneltest.IP6Queue}, c: queue.Config{Family: queue.IPv6},
			want: queue.Unseen, about: queue.AboutRules, words: []string{"ip6tables-save"}},
		{name: "it is not loaded", c: queue.Config{Backend: queue.IPQueue},
			want: queue.Fault, about: queue.AboutModule, words: []string{"modprobe ip_queue"}},
		{name: "it is gone for ever", release: "6.1.0", c: queue.Config{Backend: queue.IPQueue},
			want: queue.Fault, about: queue.AboutModule, words: []string{"use nfnetlink_queue"}},
		{name: "the other has the family", release: "3.4.0", c: queue.Config{Backend: queue.IPQueue},
			options: kerneltest.Options{Modules: kerneltest.NFQueue, Linux: kerneltest.Version{Major: 3, Minor: 4}},
			want:    queue.Fault, about: queue.AboutModule, words: []string{"IPv4 packets go to nf_queue"}},
		{name: "it is hidden", options: kerneltest.Options{Modules: kerneltest.IPQueue}, c: queue.Config{Backend: queue.IPQueue},
			files: map[string][]byte{"/proc/net/ip_queue": nil},
			want:  queue.Unseen, about: queue.AboutModule},
		{name: "its file makes no sense", options: kerneltest.Options{Modules: kerneltest.IPQueue},
			files: map[string][]byte{"/proc/net/ip_queue": []byte("Peer PID : many\n")},
			want:  queue.Unseen, about: queue.AboutQueue},
		{name: "config is for nfnetlink_queue", c: queue.Config{Backend: queue.IPQueue, FailOpen: true},
			want: queue.Fault, about: queue.AboutConfig, words: []string{"Config.FailOpen"}},
		{name: "privileged", options: kerneltest.Options{Modules: kerneltest.IPQueue},
			want: queue.Good, about: queue.AboutPrivilege},
		{name: "unprivileged", options: kerneltest.Options{Modules: kerneltest.IPQueue},
			files: map[string][]byte{"/proc/self/status": []byte(noCapabilities)},
			want:  queue.Fault, about: queue.AboutPrivilege},
		{name: "privilege is hidden", options: kerneltest.Options{Modules: kerneltest.IPQueue},
			files: map[string][]byte{"/proc/self/status": nil},
			want:  queue.Unseen, about: queue.AboutPrivilege},
	} {
		t.Run(tt.name, func(t *testing.T) {
			release := tt.release
			if release == "" {
				release = "3.4.0"
			}
			h := &host{kerneltest.New(tt.options), files(release)}
			for name, text := range tt.files {
				h.files[name] = text
			}
			wantFinding(t, h.diagnose(tt.c), tt.want, tt.about, tt.words...)
		})
	}
}

func TestDiagnoseIPQueuePeer(t *testing.T) {
	h := &host{kerneltest.New(kerneltest.Options{Modules: kerneltest.IPQueue, MaxLength: 1}), files("3.4.0")}
	q, err := queue.Open(sock.WithKernel(context.Background(), h), queue.Config{Mode: queue.Range(64)})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	for range 3 {
		h.Inject(kerneltest.Packet{Payload: make([]byte, 28)})
	}
	d := h.diagnose(queue.Config{})
	wantFinding(t, d, queue.Good, queue.AboutQueue, "ip_queue belongs to netlink port 4711, in mode Range(64)")
	wantFinding(t, d, queue.Warning, queue.AboutLoss, "ip_queue was full: 2 packets")
}
