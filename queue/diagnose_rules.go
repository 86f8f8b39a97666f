package queue

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// rules reads the rules and holds them against the queues, if those could be
// seen.
func (x *examination) rules(i *inquiry, seen bool) {
	all := x.nftables(i)
	all = x.legacy("ip") && all
	all = x.legacy("ip6") && all
	fed := false
	for _, r := range x.Rules {
		fed = x.rule(r, seen) || fed
	}
	switch {
	case fed:
	case all:
		x.say(Fault, AboutRules, "No rule hands packets to queue %d", x.cfg.Number).
			Advice = fmt.Sprintf("add one, such as nft add rule inet filter output queue num %d bypass", x.cfg.Number)
	default:
		x.say(Unseen, AboutRules, "No rule that could be seen hands packets to queue %d", x.cfg.Number)
	}
}

// nftables reads the rules of nftables, and reports whether it could.
func (x *examination) nftables(i *inquiry) bool {
	list, err := i.rules(x.ctx)
	switch {
	case errors.Is(err, einval):
		x.say(Note, AboutRules, "This kernel has no nftables")
		return true
	case err != nil:
		x.unseen(AboutRules, err, "The rules of nftables cannot be read").Advice = "run as root to see them"
		return false
	}
	x.Rules = list
	return true
}

// legacy looks for tables of legacy iptables, and reports whether there are
// none. Their rules are for getsockopt alone, in a form for each match.
func (x *examination) legacy(family string) bool {
	tool := family + "tables"
	if x.cfg.NetNS != 0 {
		x.say(Unseen, AboutRules, "Whether legacy %s has rules cannot be seen in another network namespace", tool)
		return false
	}
	names, err := x.host.ReadFile("/proc/net/" + family + "_tables_names")
	tables := strings.Fields(string(names))
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && len(tables) == 0:
		return true
	case err != nil:
		x.unseen(AboutRules, err, "Whether legacy %s has rules cannot be seen", tool).Advice = "run as root to see it"
		return false
	}
	x.say(Unseen, AboutRules, "Legacy %s has tables (%s) whose rules cannot be read here%s",
		tool, strings.Join(tables, ", "), x.target(family)).
		Advice = fmt.Sprintf("look for NFQUEUE and QUEUE in what %s-legacy-save prints", tool)
	return false
}

// target tells whether legacy tables can feed a queue with more than the old
// verdict QUEUE.
func (x *examination) target(family string) string {
	list, err := x.host.ReadFile("/proc/net/" + family + "_tables_targets")
	if err != nil {
		return ""
	}
	for _, name := range strings.Fields(string(list)) {
		if name == "NFQUEUE" {
			return " and target NFQUEUE is loaded"
		}
	}
	return ", though target NFQUEUE is not loaded"
}

// rule judges a rule, and reports whether it feeds the queue examined.
func (x *examination) rule(r Rule, seen bool) bool {
	if r.Computed {
		x.say(Note, AboutRules, "Rule %v computes the queue's number%s", r, counted(r))
		return true
	}
	own, ownUnheard := false, false
	var unheard []uint16
	for _, n := range r.numbers() {
		own = own || n == x.cfg.Number
		if x.queue(n) == nil {
			unheard = append(unheard, n)
			ownUnheard = ownUnheard || n == x.cfg.Number
		}
	}
	x.feeds(r, own, ownUnheard, seen, unheard)
	return own
}

// feeds adds the finding about a rule.
func (x *examination) feeds(r Rule, own, ownUnheard, seen bool, unheard []uint16) {
	switch {
	case !seen:
		x.say(Note, AboutRules, "There is rule %v%s", r, counted(r))
	case len(unheard) > 0 && r.Bypass:
		x.say(Note, AboutRules, "Rule %v lets packets pass, because nobody has bound %s%s", r, ranges(unheard), counted(r))
	case len(unheard) > 0:
		severity := Warning
		if ownUnheard {
			severity = Fault
		}
		x.say(severity, AboutRules, "Rule %v drops packets, because nobody has bound %s%s", r, ranges(unheard), counted(r)).
			Advice = "start the program, or add bypass (--queue-bypass) to the rule"
	case own:
		x.say(Good, AboutRules, "Rule %v feeds the queue%s", r, counted(r))
	default:
		x.say(Note, AboutRules, "Rule %v feeds another queue%s", r, counted(r))
	}
}

// counted tells what the rule's counter says.
func counted(r Rule) string {
	switch {
	case !r.Counted:
		return ""
	case r.Packets == 0:
		return " (no packet so far)"
	}
	return fmt.Sprintf(" (%d packets so far)", r.Packets)
}

// ranges is a list of queues in words: "queues 1-3, 7".
func ranges(list []uint16) string {
	var parts []string
	for first := 0; first < len(list); {
		last := first
		for last+1 < len(list) && list[last+1] == list[last]+1 {
			last++
		}
		part := fmt.Sprint(list[first])
		if last > first {
			part = fmt.Sprintf("%d-%d", list[first], list[last])
		}
		parts = append(parts, part)
		first = last + 1
	}
	if len(list) == 1 {
		return "queue " + parts[0]
	}
	return "queues " + strings.Join(parts, ", ")
}
