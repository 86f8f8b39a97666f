// Package diagnose reports why no packet comes through a queue.
//
// It is a package of its own because it reads the firewall's rules, for which it
// needs more than package queue does.
package diagnose

import (
	"context"
	"fmt"
	"time"

	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/queue"
)

// Run examines everything that must be right for packets to flow through the
// queue that queue.Open would open with c, and reports what is wrong and what
// to do about it. It binds no queue and changes nothing, so it may be called
// while any program, this one included, serves its queues. Like reading the
// rules with nft, it may make the kernel load a module (nf_tables, and what
// Config.Conntrack needs). If packets wait in a queue, Run looks at the queue
// again after a second.
//
// Run needs no privilege, but sees more with CAP_NET_ADMIN: findings of severity
// Unseen report what it could not see. The end of ctx ends Run early, which
// appears in such findings too. Rules of legacy iptables cannot be read; Run
// reports where there are any. Nor does it know which packets a rule matches.
func Run(ctx context.Context, c queue.Config) Report {
	x := examination{ctx: ctx, host: sock.KernelFrom(ctx), c: c}
	x.kernel()
	switch x.plan(); {
	case x.refusal != nil:
		x.say(Fault, AboutConfig, "Open will refuse the Config").Err = x.refusal
	case x.socket.Protocol == sock.ProtoNetfilter:
		x.nfqueue()
	default:
		x.ipqueue()
	}
	return x.Report
}

// An examination is a Run under way.
type examination struct {
	Report
	ctx       context.Context
	host      sock.Kernel
	c         queue.Config
	socket    sock.Config // what Open would open
	refusal   error       // why Open would open nothing
	osrelease string      // in full
	release   release
}

// say adds a finding.
func (x *examination) say(s Severity, about Subject, format string, args ...any) *Finding {
	x.Findings = append(x.Findings, Finding{Severity: s, Subject: about, Text: fmt.Sprintf(format, args...)})
	return &x.Findings[len(x.Findings)-1]
}

// unseen adds a finding about what could not be looked at.
func (x *examination) unseen(about Subject, err error, format string, args ...any) *Finding {
	f := x.say(Unseen, about, format, args...)
	f.Err = err
	return f
}

// lookAgain is how long Run waits before it looks at a queue again.
const lookAgain = time.Second

// wait waits before the second look. It reports false if ctx ends first.
func (x *examination) wait() bool {
	select {
	case <-x.ctx.Done():
		x.unseen(AboutLoss, context.Cause(x.ctx), "Whether waiting packets are decided cannot be seen")
		return false
	case <-time.After(lookAgain):
		return true
	}
}
