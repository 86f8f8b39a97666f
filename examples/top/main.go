// Top shows what goes through a queue, live: rates, verdicts, what waits, what
// was lost and why, and the flows with the most traffic. It accepts every
// packet. It needs root, and a rule that feeds the queue:
//
//	iptables -I INPUT -j NFQUEUE --queue-num 0 --queue-bypass
//	nft add rule inet filter input queue num 0 bypass
//
//	cd examples/top && go run .          # it is a module of its own
//	go run . -queue 3 -interval 200ms
//
// The names are those of queue.Stats, whose documentation says what they mean;
// rates and flows are those of the last interval. q, Ctrl-C or SIGTERM ends it.
//
// Nothing here waits for the terminal: packets are counted and accepted by one
// goroutine, and shown by another. At most 4096 flows are told apart in an
// interval, the packets of all others are shown in one line.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/ipqueue/ipqueue/examples/internal/numbers"
	"github.com/ipqueue/ipqueue/queue"
)

// enough of a packet for all headers that Flow reads.
const enough = 256

func main() {
	number, interval := parse()
	if err := run(number, interval); err != nil {
		complain(err)
		os.Exit(1)
	}
}

func complain(err error) { fmt.Fprintln(os.Stderr, "top:", err) }

// run shows the queue until a key or a signal ends it.
func run(number uint16, interval time.Duration) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	q, err := queue.Open(ctx, queue.Config{Number: number, Mode: queue.Range(enough), TrackAge: true})
	if err != nil {
		return err
	}
	defer q.Close()
	flows := newTally(4096)
	// The input is named lest a terminal be looked for where there is none.
	program := tea.NewProgram(newModel(number, interval, sampler(q, flows)),
		tea.WithInput(os.Stdin), tea.WithAltScreen(), tea.WithoutSignalHandler())
	go func() {
		accept(q.Packets(), flows)
		program.Quit()
	}()
	if _, err := program.Run(); err != nil {
		return err
	}
	q.Close()
	return q.Err()
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

// parse reads the command line. It ends the program if that is wrong.
func parse() (number uint16, interval time.Duration) {
	flag.Func("queue", "queue `N` of nfnetlink_queue (default 0)", numbers.Decimal(&number))
	flag.DurationVar(&interval, "interval", time.Second, "`time` between two looks at the queue, 10ms or more")
	flag.Parse()
	switch {
	case flag.NArg() > 0:
		complain(fmt.Errorf("unexpected argument %q", flag.Arg(0)))
	case interval < 10*time.Millisecond:
		complain(fmt.Errorf("interval of %v, want 10ms or more", interval))
	default:
		return number, interval
	}
	flag.Usage()
	os.Exit(2)
	return
}
