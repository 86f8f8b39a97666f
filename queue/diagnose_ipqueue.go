package queue

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/ipqueue/ipqueue/wire"
)

// ipqueue examines ip_queue or ip6_queue, by their files alone: its kernels
// take whoever sends first for the one program that they serve.
func (x *examination) ipqueue() {
	k := newIPQueue(&x.cfg)
	if err := refuse(k.name(), x.cfg.nfqueueOnly()); err != nil {
		x.refused(err)
		return
	}
	x.handlers(k.name())
	if held, known := x.effective(capNetAdmin); known && !held {
		x.withoutPrivilege()
	} else if known {
		x.say(Good, AboutPrivilege, "CAP_NET_ADMIN is held")
	} else {
		x.say(Unseen, AboutPrivilege, "Whether CAP_NET_ADMIN is held cannot be seen")
	}
	x.ipqueueStatus(k)
	x.say(Unseen, AboutRules, "Rules with the target QUEUE cannot be read here").
		Advice = fmt.Sprintf("look for QUEUE in what %s prints", map[Family]string{IPv4: "iptables-save", IPv6: "ip6tables-save"}[k.family])
}

// ipqueueStatus reads the status file.
func (x *examination) ipqueueStatus(k *ipqueue) {
	text, err := x.host.ReadFile(statusFile(k.name()))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		x.say(Fault, AboutModule, "Module %s is not loaded", k.name()).Advice = x.insteadOf(k.name())
		return
	case err != nil:
		x.unseen(AboutModule, err, "The state of %s cannot be seen", k.name())
		return
	}
	x.say(Good, AboutModule, "Module %s is loaded", k.name())
	status, err := wire.ParseIPQStatus(text)
	if err != nil {
		x.unseen(AboutQueue, err, "The state of %s cannot be read", k.name())
		return
	}
	if status.Port == 0 {
		x.say(Note, AboutQueue, "Nobody serves %s, and its packets are dropped", k.name())
		return
	}
	q := BoundQueue{
		Backend: IPQueue, Family: k.family,
		Port: status.Port, Owner: portOwner(x.host, &x.cfg, k.protocol(), status.Port),
		Mode:   modeOf(status.CopyMode, status.CopyRange),
		Kernel: ipqStats(status),
	}
	x.bound(q)
	x.loss(q)
}

// insteadOf says what to do without ip_queue.
func (x *examination) insteadOf(name string) string {
	if x.release.atLeast(release{3, 5}) {
		return "Linux 3.5 and later have none: use nfnetlink_queue (Backend NFQueue, target NFQUEUE)"
	}
	return "modprobe " + name
}
