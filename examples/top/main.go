// Top accepts every packet of a queue and shows live statistics: rates and
// their history, verdicts, waiting packets, losses with their causes, and the
// flows with the most traffic. It needs root, and a rule that sends packets to
// the queue:
//
//	iptables -I INPUT -j NFQUEUE --queue-num 0 --queue-bypass
//	nft add rule inet filter input queue num 0 bypass
//
//	cd examples/top && go run .          # it is a separate module
//	go run . -queue 3 -interval 200ms
//	go run . -6                          # ip6_queue, on kernels that have it
//
// The names of the counters are those of queue.Stats, where they are
// documented. Counters that are 0 are not shown. Rates and flows are for the
// last interval. Losses are red. q, Ctrl-C or SIGTERM ends the program.
//
// If input or output is not a terminal, or TERM is dumb, the program prints a
// line for each interval instead. The environment variable NO_COLOR disables colors. In a
// locale without UTF-8, the program draws with ASCII characters.
//
// Packets do not wait for the terminal: one goroutine accepts and counts them,
// and another one updates the screen. The program distinguishes up to 4096
// flows in an interval, and shows the packets of all others in one line.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/term"

	"github.com/ipqueue/ipqueue/examples/internal/cli"
	"github.com/ipqueue/ipqueue/queue"
)

// enough of a packet for all headers that Flow reads.
const enough = 256

var program = cli.Program{Name: "top", About: "Top accepts every packet of a queue and shows live statistics."}

func main() {
	c, interval, err := parse(os.Args[1:], os.Stdout)
	if err == nil {
		err = run(c, interval)
	}
	program.Exit(err)
}

// run shows the queue until a key or a signal ends it.
func run(c queue.Config, interval time.Duration) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends a program whose output is stuck
	q, err := queue.Open(ctx, c)
	if err != nil {
		return err
	}
	defer q.Close()
	flows := newTally(4096)
	m := newModel(cli.QueueName(q, c.Family), interval, lookOf(os.Getenv), sampler(q, flows))
	ended := make(chan struct{})
	go func() {
		accept(q.Packets(), flows)
		close(ended)
	}()
	if err := show(m, ended); err != nil {
		return err
	}
	q.Close()
	return q.Err()
}

// show shows the model until a key or the end of the queue. Only where both
// ends are terminals, with a screen, does it take them over.
func show(m model, ended <-chan struct{}) error {
	if !term.IsTerminal(os.Stdin.Fd()) || !term.IsTerminal(os.Stdout.Fd()) || os.Getenv("TERM") == "dumb" {
		return printLines(m, os.Stdout, ended)
	}
	screen := tea.NewProgram(m, tea.WithAltScreen(), tea.WithoutSignalHandler())
	go func() {
		<-ended
		screen.Quit()
	}()
	_, err := screen.Run()
	return err
}

// accept accepts the packets and counts them.
func accept(packets <-chan queue.Packet, flows *tally) {
	for p := range packets {
		flows.add(p.Flow(), p.Length)
		// An error would say that the packet has gone, which Stats counts.
		_ = p.Accept()
	}
}

// sampler returns what takes samples of the queue.
func sampler(q *queue.Queue, flows *tally) func() sample {
	channel := q.Packets()
	return func() sample {
		s := sample{at: time.Now(), stats: q.Stats(), waiting: len(channel), room: cap(channel)}
		s.talkers, s.others, s.total = flows.take()
		return s
	}
}

func parse(args []string, help io.Writer) (c queue.Config, interval time.Duration, err error) {
	c = queue.Config{Mode: queue.Range(enough), TrackAge: true}
	flags := program.Flags()
	cli.Queue(flags, &c)
	flags.DurationVar(&interval, "interval", time.Second, "update every `TIME`, 10ms or more")
	err = program.Parse(flags, args, help)
	if err == nil && interval < 10*time.Millisecond {
		err = cli.Misuse("-interval must be 10ms or more, not %v", interval)
	}
	return c, interval, err
}
