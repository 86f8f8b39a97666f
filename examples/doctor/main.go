// Doctor reports why a queue receives no packets. It checks the kernel module,
// the privilege, which programs have bound queues, the rules that send packets
// to them, losses and limits. It changes nothing, and may run while other
// programs use their queues. If packets wait in a queue, it checks that queue
// again after a second. As root it sees everything; otherwise it reports what
// it could not check. For example, it finds this rule:
//
//	nft add table inet example
//	nft add chain inet example output '{ type filter hook output priority 0; }'
//	nft add rule inet example output udp dport 9999 counter queue num 0 bypass
//
// The exit status is 0 if packets can flow, 1 if not, and 2 if the command line
// is wrong.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/ipqueue/ipqueue/examples/internal/cli"
	"github.com/ipqueue/ipqueue/examples/internal/numbers"
	"github.com/ipqueue/ipqueue/queue"
	"github.com/ipqueue/ipqueue/queue/diagnose"
)

var program = cli.Program{Name: "doctor", About: "Doctor reports why a queue receives no packets, and what to do about it."}

func main() {
	c, quiet, err := parse(os.Args[1:], os.Stdout)
	if err != nil {
		program.Exit(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	report := diagnose.Run(ctx, c)
	if err := show(os.Stdout, cli.ScreenOf(os.Stdout, os.Getenv), report, quiet); err != nil {
		fmt.Fprintln(os.Stderr, "doctor:", err)
		os.Exit(2)
	}
	if report.Worst() == diagnose.Fault {
		os.Exit(1)
	}
}

// words are the texts for the severities.
var words = map[diagnose.Severity]string{
	diagnose.Good:    "good",
	diagnose.Note:    "note",
	diagnose.Unseen:  "not seen",
	diagnose.Warning: "WARNING",
	diagnose.Fault:   "FAULT",
}

// colors are the colors of the words.
var colors = map[diagnose.Severity]cli.Color{
	diagnose.Good:    cli.Green,
	diagnose.Warning: cli.Yellow,
	diagnose.Fault:   cli.Red,
}

// show writes a row for each finding, with the advice below it, and the result.
// With quiet it leaves out findings with severity Good.
func show(w io.Writer, screen cli.Screen, r diagnose.Report, quiet bool) error {
	var findings []diagnose.Finding
	word, subject := 0, 0 // the widest
	for _, f := range r.Findings {
		if quiet && f.Severity == diagnose.Good {
			continue
		}
		findings = append(findings, f)
		word = max(word, len(words[f.Severity]))
		subject = max(subject, len(f.Subject.String()))
	}
	var b strings.Builder
	margin := word + 2 + subject + 2
	for _, f := range findings {
		advice := f.Advice
		f.Advice = ""
		shown := words[f.Severity]
		if c, ok := colors[f.Severity]; ok {
			shown = screen.Paint(c, shown)
		}
		shown += strings.Repeat(" ", word-len(words[f.Severity]))
		lines := screen.Wrap(f.String(), margin)
		fmt.Fprintf(&b, "%s  %-*v  %s\n", shown, subject, f.Subject, lines[0])
		lines = lines[1:]
		if advice != "" {
			lines = append(lines, screen.Wrap("-> "+advice, margin)...)
		}
		for _, line := range lines {
			fmt.Fprintf(&b, "%*s%s\n", margin, "", line)
		}
	}
	fmt.Fprintf(&b, "\n%s\n", result(r))
	_, err := io.WriteString(w, b.String())
	return err
}

// result returns the diagnosis in one sentence.
func result(r diagnose.Report) string {
	count := make(map[diagnose.Severity]int)
	for _, f := range r.Findings {
		count[f.Severity]++
	}
	var parts []string
	for _, s := range []diagnose.Severity{diagnose.Fault, diagnose.Warning, diagnose.Unseen} {
		if n := count[s]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, words[s]))
		}
	}
	verdict := "Packets can flow"
	if r.Worst() == diagnose.Fault {
		verdict = "Packets cannot flow"
	}
	if len(parts) == 0 {
		return verdict + "."
	}
	return fmt.Sprintf("%s: %s.", verdict, strings.Join(parts, ", "))
}

func parse(args []string, help io.Writer) (c queue.Config, quiet bool, err error) {
	flags := program.Flags()
	flags.Func("queue", "check queue `N` of nfnetlink_queue (default 0)", func(s string) error {
		c.Backend = queue.NFQueue
		return numbers.Decimal(&c.Number)(s)
	})
	flags.BoolFunc("ip_queue", "check ip_queue (Linux before 3.5)", func(string) error {
		c.Backend = queue.IPQueue
		return nil
	})
	flags.BoolFunc("6", "check ip6_queue (Linux before 3.5)", func(string) error {
		c.Backend, c.Family = queue.IPQueue, queue.IPv6
		return nil
	})
	flags.IntVar(&c.QueueLength, "length", 0, "the program uses Config.QueueLength `N`")
	flags.BoolVar(&c.Conntrack, "conntrack", false, "the program uses Config.Conntrack")
	flags.BoolVar(&c.Owner, "owner", false, "the program uses Config.Owner")
	flags.BoolVar(&c.FailOpen, "failopen", false, "the program uses Config.FailOpen")
	flags.BoolVar(&quiet, "quiet", false, "print only problems")
	err = program.Parse(flags, args, help)
	return c, quiet, err
}
