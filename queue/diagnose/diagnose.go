// Package diagnose reports why a queue receives no packets.
//
// [Run] checks a queue. The package is separate from package queue because
// reading firewall rules needs an additional dependency.
package diagnose

import (
	"context"
	"fmt"
	"time"

	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/queue"
)

// Run checks everything that packets need to flow through the queue that
// [queue.Open] would open with c. It reports what is wrong and how to fix it.
//
// Run binds no queue and changes nothing, so programs, including this one, may
// use queues meanwhile. Like reading rules with nft, it may make the kernel
// load modules (nf_tables, and those that Config.Conntrack needs). If packets
// wait in a queue, Run checks that queue again after one second. For each
// answer of the kernel, which may have to load a module first, it waits at most
// five seconds, and for the rules thirty. Run may be called from several
// goroutines at once.
//
// Run needs no privilege, but sees more with CAP_NET_ADMIN. Findings with severity
// Unseen report what it could not check. If ctx ends, Run returns early and reports
// that in such findings. Run cannot read the rules of legacy iptables; it reports
// whether there are any. It does not determine which packets a rule matches.
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

// An examination is the state of one Run.
type examination struct {
	Report
	ctx       context.Context
	host      sock.Kernel
	c         queue.Config
	socket    sock.Config // the socket that Open would open
	refusal   error       // the error that Open would return instead
	osrelease string      // the complete release, for example "6.1.0-13-amd64"
	release   release
}

// say adds a finding.
func (x *examination) say(s Severity, about Subject, format string, args ...any) *Finding {
	x.Findings = append(x.Findings, Finding{Severity: s, Subject: about, Text: fmt.Sprintf(format, args...)})
	return &x.Findings[len(x.Findings)-1]
}

// unseen adds a finding about something that could not be checked.
func (x *examination) unseen(about Subject, err error, format string, args ...any) *Finding {
	f := x.say(Unseen, about, format, args...)
	f.Err = err
	return f
}

// lookAgain is how long Run waits before it checks a queue again.
const lookAgain = time.Second

// wait waits before the second check. It returns false if ctx ends first.
func (x *examination) wait() bool {
	select {
	case <-x.ctx.Done():
		x.unseen(AboutLoss, context.Cause(x.ctx), "Cannot determine whether waiting packets are decided")
		return false
	case <-time.After(lookAgain):
		return true
	}
}
