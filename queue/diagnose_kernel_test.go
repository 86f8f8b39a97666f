package queue_test

import (
	"testing"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/queue"
)

// The module may be there to be loaded.
func TestDiagnoseModule(t *testing.T) {
	const dir = "/lib/modules/6.18.3/"
	for _, tt := range []struct {
		name             string
		builtin, listing string
		want             queue.Severity
		words            string
	}{
		{"built in", "kernel/net/netfilter/nfnetlink_queue.ko\n", "", queue.Note, "Open will do"},
		{"to be loaded", "", "kernel/net/netfilter/nfnetlink_queue.ko.xz: kernel/net/netfilter/nfnetlink.ko\n", queue.Note, "Open will do"},
		{"missing", "kernel/net/netfilter/x_tables.ko\n", "kernel/net/netfilter/not-nfnetlink_queue.ko:\n", queue.Fault, "no module nfnetlink_queue"},
		{"no lists", "-", "-", queue.Warning, "modprobe nfnetlink_queue"},
	} {
		k := kerneltest.New(kerneltest.Options{})
		k.Unload(kerneltest.NFQueue)
		h := &host{k, files("6.18.3")}
		if tt.builtin != "-" {
			h.files[dir+"modules.builtin"], h.files[dir+"modules.dep"] = []byte(tt.builtin), []byte(tt.listing)
		}
		t.Run(tt.name, func(t *testing.T) {
			wantFinding(t, h.diagnose(queue.Config{}), tt.want, queue.AboutModule, tt.words)
		})
	}
}
