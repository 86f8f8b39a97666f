package diagnose

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/ipqueue/ipqueue/internal/sock"
)

// rulesKey is the context key with which tests provide a ruleReader.
type rulesKey struct{}

// A ruleReader reads the nftables rules that send packets to queues.
type ruleReader func(ctx context.Context, netns int) ([]Rule, error)

// reader returns the ruleReader for the kernel. The real kernel is read through
// nftables. A simulated kernel has rules only if the context contains a reader.
func (x *examination) reader() ruleReader {
	if read, ok := x.ctx.Value(rulesKey{}).(ruleReader); ok {
		return read
	}
	if x.host != sock.Host() {
		return func(context.Context, int) ([]Rule, error) { return nil, errNoNFTables }
	}
	return readNFTables
}

// rules reads the rules, and compares them with the queues if seen is true.
func (x *examination) rules(seen bool) {
	list, err := x.reader()(x.ctx, x.c.NetNS)
	all := err == nil
	x.Rules = list
	switch {
	case errors.Is(err, errNoNFTables):
		all = true
		x.say(Note, AboutRules, "This kernel has no nftables")
	case err != nil:
		f := x.unseen(AboutRules, err, "Cannot read the rules of nftables")
		if errors.Is(err, fs.ErrPermission) {
			f.Advice = "run as root to see them"
		}
	}
	all = x.legacy("ip") && all
	all = x.legacy("ip6") && all
	fed := false
	for _, r := range x.Rules {
		x.rule(r, seen)
		fed = fed || r.feeds(x.c.Number)
	}
	switch {
	case fed:
	case all:
		x.say(Fault, AboutRules, "No rule sends packets to queue %d", x.c.Number).
			Advice = x.addRule(errors.Is(err, errNoNFTables))
	default:
		x.say(Unseen, AboutRules, "No rule that could be read sends packets to queue %d", x.c.Number)
	}
}

// addRule returns the advice to add a rule, with an example. The example queues
// only DNS queries, lets them pass while no program has bound the queue, and works
// without an existing table or chain.
func (x *examination) addRule(noNFTables bool) string {
	const advice = "add one for the packets that your program handles, for example "
	if noNFTables || !x.hasNFTQueue() {
		return fmt.Sprintf(advice+"iptables -A OUTPUT -p udp --dport 53 -j NFQUEUE --queue-num %d --queue-bypass", x.c.Number)
	}
	return fmt.Sprintf(advice+"nft 'add table inet example; "+
		"add chain inet example output { type filter hook output priority 0; }; "+
		"add rule inet example output udp dport 53 counter queue num %d bypass'", x.c.Number)
}

// hasNFTQueue reports whether the kernel is known to have the queue expression of
// nftables. iptables works with and without it.
func (x *examination) hasNFTQueue() bool {
	m := x.loading("nft_queue", "nft-expr-queue")
	return x.loadedModules()["nft_queue"] || m.listed && m.obstacle == ""
}

// legacy looks for tables of legacy iptables, and returns true if there are none.
// It does not read their rules, which only getsockopt returns, in a format that
// differs for each match.
func (x *examination) legacy(family string) bool {
	tool := family + "tables"
	if x.c.NetNS != 0 {
		x.say(Unseen, AboutRules, "Cannot determine whether legacy %s has rules in another network namespace", tool)
		return false
	}
	names, err := x.host.ReadFile("/proc/net/" + family + "_tables_names")
	tables := strings.Fields(string(names))
	switch {
	case x.hidden(err):
		x.unseen(AboutRules, err, "Cannot determine whether legacy %s has rules", tool).Advice = showProc
		return false
	case errors.Is(err, fs.ErrNotExist) || err == nil && len(tables) == 0:
		return true
	case err != nil:
		x.unseen(AboutRules, err, "Cannot determine whether legacy %s has rules", tool).Advice = "run as root to see it"
		return false
	}
	x.say(Unseen, AboutRules, "Legacy %s has tables (%s), but their rules cannot be read%s",
		tool, strings.Join(tables, ", "), x.target(family)).
		Advice = fmt.Sprintf("look for NFQUEUE and QUEUE in the output of %s-legacy-save", tool)
	return false
}

// target returns a remark whether legacy tables can use the target NFQUEUE, and
// not only the old verdict QUEUE.
func (x *examination) target(family string) string {
	list, err := x.host.ReadFile("/proc/net/" + family + "_tables_targets")
	if err != nil {
		return ""
	}
	for _, name := range strings.Fields(string(list)) {
		if name == "NFQUEUE" {
			return "; target NFQUEUE is loaded"
		}
	}
	return "; target NFQUEUE is not loaded"
}

// rule adds a finding about a rule.
func (x *examination) rule(r Rule, seen bool) {
	feeds := r.feeds(x.c.Number)
	var unheard []uint16
	for _, n := range r.Numbers {
		if x.queue(n) == nil {
			unheard = append(unheard, n)
		}
	}
	switch {
	case r.Idle != "":
		x.say(Note, AboutRules, "Rule %v receives no packets, because %s", r, r.Idle)
	case r.Numbers == nil:
		x.say(Note, AboutRules, "Rule %v may send packets to this queue%s", r, counted(r))
	case !seen:
		x.say(Note, AboutRules, "There is rule %v%s", r, counted(r))
	case len(unheard) > 0 && r.Bypass:
		x.say(Note, AboutRules, "Rule %v lets packets pass, because no program has bound %s%s", r, queues(unheard), counted(r))
	case len(unheard) > 0:
		severity := Warning
		if feeds && x.queue(x.c.Number) == nil {
			severity = Fault
		}
		x.say(severity, AboutRules, "Rule %v drops packets, because no program has bound %s%s", r, queues(unheard), counted(r)).
			Advice = "start the program, or add bypass (--queue-bypass) to the rule"
	case feeds:
		x.say(Good, AboutRules, "Rule %v sends packets to this queue%s", r, counted(r))
	default:
		x.say(Note, AboutRules, "Rule %v sends packets to another queue%s", r, counted(r))
	}
}

// counted returns the value of the rule's counter, as a remark.
func counted(r Rule) string {
	switch {
	case !r.Counted:
		return ""
	case r.Packets == 0:
		return " (no packet so far)"
	}
	return fmt.Sprintf(" (%s so far)", packets(r.Packets))
}
