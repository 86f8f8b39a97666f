package queue_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/queue"
)

// files are what a kernel of that release shows to root.
func files(release string) map[string][]byte {
	return map[string][]byte{
		"/proc/sys/kernel/osrelease": []byte(release + "\n"),
		"/proc/self/status":          []byte("Name:\tx\nCapEff:\t000001ffffffffff\n"),
	}
}

const noCapabilities = "CapEff:\t0000000000000000\n"

// diagnose examines the host.
func (h *host) diagnose(c queue.Config) queue.Diagnosis {
	return queue.Diagnose(sock.WithKernel(context.Background(), h), c)
}

// wantFinding wants a finding of that severity about the subject, with all the
// words in its sentence.
func wantFinding(t testing.TB, d queue.Diagnosis, s queue.Severity, about queue.Subject, words ...string) {
	t.Helper()
	for _, f := range d.Findings {
		text := f.String()
		lacks := func(word string) bool { return !strings.Contains(text, word) }
		if f.Severity == s && f.Subject == about && !slices.ContainsFunc(words, lacks) {
			return
		}
	}
	t.Errorf("no finding %v about %v with the words %q:", s, about, words)
	for _, f := range d.Findings {
		t.Logf("%v about %v: %v", f.Severity, f.Subject, f)
	}
}

// wantAbout wants just n findings about the subject.
func wantAbout(t testing.TB, d queue.Diagnosis, about queue.Subject, n int) {
	t.Helper()
	var list []string
	for _, f := range d.Findings {
		if f.Subject == about {
			list = append(list, f.String())
		}
	}
	if len(list) != n {
		t.Errorf("%d findings about %v, want %d: %q", len(list), about, n, list)
	}
}

// A diagnosis of a queue that works leaves it as it was.
func TestDiagnoseLeavesQueueAlone(t *testing.T) {
	h := &host{kerneltest.New(kerneltest.Options{}), files("6.18.3")}
	ctx := sock.WithKernel(context.Background(), h)
	q, err := queue.Open(ctx, queue.Config{Number: 7, Mode: queue.Range(128)})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	const status = "/proc/net/netfilter/nfnetlink_queue"
	before, _ := h.ReadFile(status)
	d := h.diagnose(queue.Config{Number: 7})
	if after, _ := h.ReadFile(status); string(after) != string(before) {
		t.Errorf("the queue changed from %q to %q", before, after)
	}
	if n := len(h.Sockets()); n != 1 {
		t.Errorf("%d sockets are open, want the queue's", n)
	}
	wantFinding(t, d, queue.Good, queue.AboutKernel, "Linux 6.18.3")
	wantFinding(t, d, queue.Good, queue.AboutKernel, "FailOpen", "Packet.ClassID")
	wantFinding(t, d, queue.Good, queue.AboutModule, "nfnetlink_queue")
	wantFinding(t, d, queue.Good, queue.AboutPrivilege)
	wantFinding(t, d, queue.Good, queue.AboutQueue, "Queue 7 belongs to netlink port 4711, in mode Range(128)")
	wantFinding(t, d, queue.Good, queue.AboutGSO)
	wantFinding(t, d, queue.Good, queue.AboutBuffer, "8388608")
	wantAbout(t, d, queue.AboutLoss, 0)
	wantAbout(t, d, queue.AboutConfig, 0)
	if len(d.Queues) != 1 || d.Queues[0].Number != 7 || d.Queues[0].Port != 4711 {
		t.Errorf("queues %+v, want number 7 of port 4711", d.Queues)
	}
}

func TestDiagnoseNFQueue(t *testing.T) {
	for _, tt := range []struct {
		name    string
		options kerneltest.Options
		release string
		files   map[string][]byte // further ones
		c       queue.Config
		want    queue.Severity
		about   queue.Subject
		words   []string
	}{
		{name: "config is invalid", c: queue.Config{QueueLength: -1},
			want: queue.Fault, about: queue.AboutConfig, words: []string{"QueueLength is -1"}},
		{name: "config is for ip_queue", c: queue.Config{Backend: queue.NFQueue, Family: queue.IPv6},
			want: queue.Fault, about: queue.AboutConfig, words: []string{"Config.Family"}},
		{name: "release is too old", release: "3.13.0-generic", c: queue.Config{Owner: true},
			want: queue.Fault, about: queue.AboutConfig, words: []string{"Config.Owner needs Linux 3.14"}},
		{name: "release is new enough", release: "3.14.0", c: queue.Config{Owner: true},
			want: queue.Good, about: queue.AboutKernel, words: []string{"knows FailOpen, Conntrack, GSO packets, Owner."}},
		{name: "release makes no sense", release: "new",
			want: queue.Unseen, about: queue.AboutKernel, words: []string{"new"}},
		{name: "no netlink", options: kerneltest.Options{Modules: kerneltest.NoQueue},
			want: queue.Fault, about: queue.AboutModule, words: []string{"load module nfnetlink_queue"}},
		{name: "nobody has bound it", c: queue.Config{Number: 5},
			want: queue.Note, about: queue.AboutQueue, words: []string{"Nobody has bound queue 5"}},
		{name: "unprivileged", options: kerneltest.Options{Unprivileged: true},
			files: map[string][]byte{"/proc/self/status": []byte(noCapabilities)},
			want:  queue.Fault, about: queue.AboutPrivilege, words: []string{"is not held", "setcap"}},
		{name: "privileged elsewhere", options: kerneltest.Options{Unprivileged: true},
			want: queue.Fault, about: queue.AboutPrivilege, words: []string{"user namespace"}},
		{name: "unprivileged, long ago", release: "3.2.0",
			files: map[string][]byte{"/proc/self/status": []byte(noCapabilities)},
			want:  queue.Fault, about: queue.AboutPrivilege, words: []string{"is not held"}},
		{name: "queues are hidden", options: kerneltest.Options{Unprivileged: true},
			want: queue.Unseen, about: queue.AboutQueue, words: []string{"run as root"}},
		{name: "rules are hidden", options: kerneltest.Options{Unprivileged: true},
			want: queue.Unseen, about: queue.AboutRules, words: []string{"nftables", "run as root"}},
		{name: "no nftables",
			want: queue.Note, about: queue.AboutRules, words: []string{"no nftables"}},
		{name: "no rule", c: queue.Config{Number: 5},
			want: queue.Fault, about: queue.AboutRules, words: []string{"No rule hands packets to queue 5", "nft add rule"}},
		{name: "legacy rules, perhaps", files: map[string][]byte{"/proc/net/ip_tables_names": []byte("nat\nfilter\n")},
			want: queue.Unseen, about: queue.AboutRules, words: []string{"nat, filter", "iptables-legacy-save"}},
		{name: "legacy rules make it unknown", files: map[string][]byte{"/proc/net/ip6_tables_names": []byte("filter\n")},
			want: queue.Unseen, about: queue.AboutRules, words: []string{"No rule that could be seen"}},
		{name: "legacy target", files: map[string][]byte{
			"/proc/net/ip_tables_names": []byte("filter\n"), "/proc/net/ip_tables_targets": []byte("DNAT\nNFQUEUE\nNFQUEUE\n")},
			want: queue.Unseen, about: queue.AboutRules, words: []string{"and target NFQUEUE is loaded"}},
		{name: "no legacy target", files: map[string][]byte{
			"/proc/net/ip_tables_names": []byte("filter\n"), "/proc/net/ip_tables_targets": []byte("DNAT\n")},
			want: queue.Unseen, about: queue.AboutRules, words: []string{"though target NFQUEUE is not loaded"}},
		{name: "legacy rules are hidden", files: map[string][]byte{"/proc/net/ip_tables_names": nil},
			want: queue.Unseen, about: queue.AboutRules, words: []string{"legacy iptables", "run as root"}},
		{name: "legacy rules elsewhere", c: queue.Config{NetNS: 3},
			want: queue.Unseen, about: queue.AboutRules, words: []string{"ip6tables", "another network namespace"}},
		{name: "conntrack", c: queue.Config{Conntrack: true},
			want: queue.Good, about: queue.AboutConfig, words: []string{"Config.Conntrack can be had"}},
		{name: "no conntrack", options: kerneltest.Options{NoConntrack: true}, c: queue.Config{Conntrack: true},
			want: queue.Fault, about: queue.AboutConfig, words: []string{"Config.Conntrack", "nf_conntrack_netlink"}},
		{name: "conntrack is hidden", options: kerneltest.Options{Unprivileged: true}, c: queue.Config{Conntrack: true},
			want: queue.Unseen, about: queue.AboutConfig, words: []string{"Config.Conntrack"}},
		{name: "GSO is off", c: queue.Config{NoGSO: true},
			want: queue.Note, about: queue.AboutGSO, words: []string{"several times slower"}},
		{name: "GSO is too new", release: "3.9.1",
			want: queue.Note, about: queue.AboutGSO, words: []string{"3.10"}},
		{name: "small buffer", options: kerneltest.Options{ReadBufferMax: 212992},
			want: queue.Warning, about: queue.AboutBuffer, words: []string{"8388608", "212992", "104 packets", "net.core.rmem_max"}},
		{name: "ip_queue has the family", release: "3.4.0",
			options: kerneltest.Options{Modules: kerneltest.NFQueue | kerneltest.IPQueue}, c: queue.Config{Backend: queue.NFQueue},
			want: queue.Fault, about: queue.AboutModule, words: []string{"IPv4 packets go to ip_queue", "rmmod ip_queue"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			release := tt.release
			if release == "" {
				release = "6.18.3"
			}
			h := &host{kerneltest.New(tt.options), files(release)}
			for name, text := range tt.files {
				h.files[name] = text
			}
			d := h.diagnose(tt.c)
			wantFinding(t, d, tt.want, tt.about, tt.words...)
			if got := d.Worst(); got < tt.want {
				t.Errorf("Worst = %v, want at least %v", got, tt.want)
			}
			if n := len(h.Sockets()); n != 0 {
				t.Errorf("%d sockets are left open", n)
			}
		})
	}
}

// Packets that wait or were lost are told of, with less alarm if they are
// another queue's.
func TestDiagnoseLoss(t *testing.T) {
	h := &host{kerneltest.New(kerneltest.Options{}), files("6.18.3")}
	h.files["/proc/4711/comm"] = []byte("firewall\n")
	q, err := queue.Open(sock.WithKernel(context.Background(), h), queue.Config{Number: 7, QueueLength: 2, Mode: queue.MetaOnly})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	for range 5 {
		h.Inject(kerneltest.Packet{Payload: make([]byte, 28), Queue: 7})
	}
	own, other := h.diagnose(queue.Config{Number: 7}), h.diagnose(queue.Config{Number: 8})
	wantFinding(t, own, queue.Warning, queue.AboutLoss, "Queue 7 was full: 3 packets", "Config.QueueLength")
	wantFinding(t, own, queue.Note, queue.AboutLoss, "2 packets wait in Queue 7")
	wantFinding(t, own, queue.Good, queue.AboutQueue, "Queue 7 belongs to netlink port 4711 (process 4711, firewall), in mode MetaOnly")
	wantFinding(t, other, queue.Note, queue.AboutQueue, "Queue 7 belongs to")
	wantFinding(t, h.diagnose(queue.Config{NetNS: 3}), queue.Note, queue.AboutQueue, "(process 4711, firewall)")

	if err := q.SetMode(context.Background(), queue.DropAll); err != nil {
		t.Fatal(err)
	}
	wantFinding(t, h.diagnose(queue.Config{Number: 7}), queue.Fault, queue.AboutQueue, "mode DropAll")
	wantFinding(t, h.diagnose(queue.Config{Number: 8}), queue.Warning, queue.AboutQueue, "mode DropAll")
}

func TestDiagnoseEnds(t *testing.T) {
	k := kerneltest.New(kerneltest.Options{})
	k.HoldReplies()
	ctx, cancel := context.WithCancel(sock.WithKernel(context.Background(), k))
	cancel()
	d := queue.Diagnose(ctx, queue.Config{})
	wantFinding(t, d, queue.Unseen, queue.AboutPrivilege, context.Canceled.Error())
	wantFinding(t, d, queue.Unseen, queue.AboutRules, context.Canceled.Error())
}
