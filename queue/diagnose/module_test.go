package diagnose_test

import (
	"testing"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/queue"
	"github.com/ipqueue/ipqueue/queue/diagnose"
)

// The module may be loadable, unless something prevents the kernel from loading it.
func TestRunModule(t *testing.T) {
	const (
		dir  = "/lib/modules/6.18.3/"
		file = dir + "kernel/net/netfilter/nfnetlink_queue.ko.xz"
		dep  = dir + "kernel/net/netfilter/nfnetlink.ko"
	)
	type changes = map[string]string
	for _, tt := range []struct {
		name  string
		files changes // "-" removes one
		want  diagnose.Severity
		words string
	}{
		{"to be loaded", nil, diagnose.Note, "Open will load it"},
		{"built in", changes{dir + "modules.builtin": "kernel/net/netfilter/nfnetlink_queue.ko\n", file: "-"}, diagnose.Note, "Open will load it"},
		{"with dashes", changes{dir + "modules.dep": "kernel/net/netfilter/nfnetlink-queue.ko:\n", dir + "kernel/net/netfilter/nfnetlink-queue.ko": ""}, diagnose.Note, "Open will load it"},
		{"not listed", changes{dir + "modules.dep": "kernel/net/netfilter/not-nfnetlink_queue.ko:\n"}, diagnose.Fault, "no module nfnetlink_queue"},
		{"no lists", changes{dir + "modules.dep": "-", dir + "modules.builtin": "-"}, diagnose.Warning, "modprobe nfnetlink_queue"},
		{"its file is missing", changes{file: "-"}, diagnose.Fault, "Open cannot load it: its file " + file + " is missing"},
		{"a file it needs is missing", changes{dep: "-"}, diagnose.Fault, "its file " + dep + " is missing"},
		{"modules_disabled", changes{"/proc/sys/kernel/modules_disabled": "1\n"}, diagnose.Fault, "kernel.modules_disabled is 1; reboot"},
		{"modules_disabled, no lists", changes{"/proc/sys/kernel/modules_disabled": "1\n", dir + "modules.dep": "-"}, diagnose.Fault, "kernel.modules_disabled is 1"},
		{"modules enabled", changes{"/proc/sys/kernel/modules_disabled": "0\n"}, diagnose.Note, "Open will load it"},
		{"no modprobe", changes{"/proc/sys/kernel/modprobe": "\n"}, diagnose.Fault, "kernel.modprobe is empty; modprobe nfnetlink_queue"},
		{"modprobe", changes{"/proc/sys/kernel/modprobe": "/sbin/modprobe\n"}, diagnose.Note, "Open will load it"},
		{"install rule", changes{"/etc/modprobe.d/x.conf": "# no\ninstall nfnetlink_queue /bin/false\n"}, diagnose.Fault,
			`/etc/modprobe.d/x.conf contains "install nfnetlink_queue /bin/false"; remove that line`},
		{"install rule with dashes, continued", changes{"/lib/modprobe.d/x.conf": "install nfnetlink-queue \\\n /bin/true\n"}, diagnose.Fault, "/bin/true"},
		{"install rule of the alias", changes{"/etc/modprobe.d/x.conf": "install nfnetlink-subsys-3 /bin/true\n"}, diagnose.Fault, "nfnetlink-subsys-3"},
		{"install rule of what it needs", changes{"/etc/modprobe.d/x.conf": "install nfnetlink /bin/true\n"}, diagnose.Fault, "install nfnetlink"},
		{"install rule of what is loaded", changes{"/etc/modprobe.d/x.conf": "install nfnetlink /bin/true\n", "/proc/modules": "nfnetlink 1 0 - Live 0x0\n"}, diagnose.Note, "Open will load it"},
		{"install rule that loads", changes{"/etc/modprobe.d/x.conf": "install nfnetlink_queue modprobe -i nfnetlink_queue; logger yes\n"}, diagnose.Note, "Open will load it"},
		{"install rule of another", changes{"/etc/modprobe.d/x.conf": "install dccp /bin/false\n"}, diagnose.Note, "Open will load it"},
		{"install rule that is hidden", changes{"/lib/modprobe.d/x.conf": "install nfnetlink_queue /bin/false\n", "/etc/modprobe.d/x.conf": ""}, diagnose.Note, "Open will load it"},
		{"blacklist", changes{"/run/modprobe.d/x.conf": "blacklist nfnetlink_queue\n"}, diagnose.Fault, `contains "blacklist nfnetlink_queue"; modprobe nfnetlink_queue`},
		{"blacklist of what it needs", changes{"/run/modprobe.d/x.conf": "blacklist nfnetlink\n"}, diagnose.Note, "Open will load it"},
		{"command line", changes{"/proc/cmdline": "root=/dev/vda module_blacklist=a,nfnetlink_queue quiet\n"}, diagnose.Fault, "module_blacklist=nfnetlink_queue"},
		{"command line for modprobe", changes{"/proc/cmdline": "modprobe.blacklist=nfnetlink-queue\n"}, diagnose.Fault, "modprobe.blacklist=nfnetlink-queue"},
		{"command line of another", changes{"/proc/cmdline": "module_blacklist=nfnetlink_queue2\n"}, diagnose.Note, "Open will load it"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHost(kerneltest.Options{}, "")
			h.Unload(kerneltest.NFQueue)
			h.files[dir+"modules.builtin"] = []byte("kernel/net/netfilter/x_tables.ko\n")
			h.files[dir+"modules.dep"] = []byte("kernel/net/a.ko:\nkernel/net/netfilter/nfnetlink_queue.ko.xz: kernel/net/netfilter/nfnetlink.ko\n")
			h.files[file], h.files[dep] = []byte{}, []byte{}
			for name, text := range tt.files {
				if h.files[name] = []byte(text); text == "-" {
					delete(h.files, name)
				}
			}
			r := h.run(queue.Config{})
			wantFinding(t, r, tt.want, diagnose.AboutModule, tt.words)
			wantAbout(t, r, diagnose.AboutModule, 1)
		})
	}
}
