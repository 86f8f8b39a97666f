// Dump accepts every packet of a queue and prints a line for each: a tcpdump
// for queued packets. It needs root, and a rule that sends packets to the
// queue:
//
//	iptables -I INPUT -p icmp -j NFQUEUE --queue-num 0 --queue-bypass
//	nft add rule inet filter input meta l4proto icmp queue num 0 bypass
//
//	cd examples/dump && go run .      # queue 0, to the terminal; it is a separate module
//	go run . -queue 3 -r 128          # the first 128 bytes of each packet
//	go run . -w queue.pcapng          # also to a file, for Wireshark
//	go run . -6                       # ip6_queue, on kernels that have it
//
// With -drop it drops the packets instead. A line contains the time, the
// verdict, how long the packet waited for it, and a summary of the packet:
//
//	12:00:00.000125  accept     21µs  #1 Output lo: UDP 127.0.0.1:4660 > 127.0.0.1:53, 39 bytes
//
// Wireshark shows the names of the interfaces, and the direction, id, queue and
// verdict of each packet; hook, mark and latency are in the packet comment.
// pcapng has no verdict for NFQUEUE, so the file contains that of an eBPF
// program: the display filter frame.verdict.ebpf_tc == 2 finds dropped packets.
// With -w - the packets go to the standard output, and no lines, so that
// another program can read them, for example "tshark -i -".
//
// A slow terminal or disk does not delay packets: up to 1024 wait in memory to
// be written. Beyond that, packets get their verdict but are not written, only
// counted, also in the file. If the disk is full, the program stops writing and
// continues otherwise.
//
// Ctrl-C or SIGTERM ends the program, which then prints the number of packets.
// The exit status is 1 if something could not be written.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/ipqueue/ipqueue/examples/internal/cli"
	"github.com/ipqueue/ipqueue/examples/internal/numbers"
	"github.com/ipqueue/ipqueue/queue"
)

const (
	backlog = 1024        // packets that wait to be written
	grace   = time.Second // for writing them at the end
)

var program = cli.Program{Name: "dump", About: "Dump accepts every packet of a queue and prints a line for each."}

func main() {
	o, err := parse(os.Args[1:], os.Stdout)
	if err == nil {
		err = run(o)
	}
	program.Exit(err)
}

func complain(err error) { fmt.Fprintln(os.Stderr, "dump:", err) }

// run dumps packets until a signal ends it.
func run(o options) error {
	file, err := o.open() // before queue.Open: to open a FIFO takes until it has a reader
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	q, err := queue.Open(ctx, o.Config)
	if err != nil {
		return err
	}
	defer q.Close()
	out, err := o.printer(file)
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, o.summary(q))
	r := newRecorder(backlog, o.file != "", out.print)
	for p := range q.All() {
		decide(p, o.verdict(), r)
	}
	err = r.end(grace)
	if err == nil {
		err = out.close()
	}
	s := q.Stats()
	fmt.Fprintf(os.Stderr, "dump: %s, %d not written, %d missed\n",
		numbers.Count(s.Received, "packet"), s.Received-out.written.Load(), s.Missed)
	return errors.Join(q.Err(), err)
}

// summary returns the first line of the output, which describes what the
// program does.
func (o options) summary(q *queue.Queue) string {
	done := "accepted"
	if o.drop {
		done = "dropped"
	}
	text := fmt.Sprintf("dump: %s, every packet is %s", cli.QueueName(q, o.Family), done)
	switch o.file {
	case "":
	case stdout:
		text += " and written to standard output"
	default:
		text += " and written to " + o.file
	}
	return text
}

// decide gives the packet its verdict, and has it written if there is room.
func decide(p queue.Packet, verdict queue.Action, r *recorder) {
	record := r.take(p)
	if record != nil {
		record.verdict, record.waited = verdict, p.Age()
		defer r.put(record)
	}
	// Accept and Drop fail only if the packet needs no verdict any more. Stats
	// counts that; to print it here would be to wait for the terminal.
	if verdict == queue.Drop {
		_ = p.Drop()
	} else {
		_ = p.Accept()
	}
}

type options struct {
	queue.Config
	drop bool
	file string
}

func (o options) verdict() queue.Action {
	if o.drop {
		return queue.Drop
	}
	return queue.Accept
}

// stdout is the name of the file that is the standard output.
const stdout = "-"

// open opens the file for the packets, if there is to be one. It does not
// change what the file contains: another dump may be writing to it, which
// queue.Open finds out.
func (o options) open() (*os.File, error) {
	switch o.file {
	case "":
		return nil, nil
	case stdout:
		return os.Stdout, nil
	}
	return os.OpenFile(o.file, os.O_WRONLY|os.O_CREATE, 0o666)
}

// printer returns what writes lines to standard output and packets to the file,
// if there is one.
func (o options) printer(file *os.File) (*printer, error) {
	switch file {
	case nil:
		return newPrinter(os.Stdout, nil, o.Number), nil
	case os.Stdout:
		return newPrinter(io.Discard, file, o.Number), nil
	}
	info, err := file.Stat()
	if err == nil && info.Mode().IsRegular() {
		err = file.Truncate(0)
	}
	if err != nil {
		return nil, err
	}
	return newPrinter(os.Stdout, file, o.Number), nil
}

func parse(args []string, help io.Writer) (options, error) {
	o := options{Config: queue.Config{TrackAge: true}}
	flags := program.Flags()
	cli.Queue(flags, &o.Config)
	flags.Func("r", "copy the first `N` bytes of each packet (default all)", func(s string) error {
		n, err := strconv.ParseUint(s, 10, 16)
		if err != nil || n == 0 {
			return errors.New("want a number of bytes from 1 to 65535")
		}
		o.Mode = queue.Range(int(n))
		return nil
	})
	flags.BoolVar(&o.drop, "drop", false, "drop every packet instead of accepting it")
	flags.StringVar(&o.file, "w", "", "write the packets to `FILE` in pcapng format, - for standard output")
	err := program.Parse(flags, args, help)
	return o, err
}
