// Gonfqueue is the consumer of the benchmark that uses
// github.com/florianl/go-nfqueue/v2. It is a separate module, so that no other module
// depends on that library.
//
//	gonfqueue callback|channel QUEUE-NUMBER QUEUE-LENGTH RECEIVE-BUFFER accept|drop gso|segments
//
// With "callback", the callback gives the verdict. With "channel", it sends the packet
// to another goroutine, which gives the verdict. The program prints a line of JSON
// when the queue is bound, one for each line of its standard input, and one after
// SIGTERM.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/florianl/go-nfqueue/v2"
	"github.com/mdlayher/netlink"
)

// channelCapacity is the default capacity of the channel of Queue.Packets.
const channelCapacity = 64

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "gonfqueue:", err)
		os.Exit(1)
	}
}

// A consumer gives the same verdict to all packets of a queue.
type consumer struct {
	queue    *nfqueue.Nfqueue
	verdict  int
	buffer   int // receive buffer to request, bytes
	channel  bool
	decided  atomic.Uint64
	refused  atomic.Uint64
	failures atomic.Pointer[error] // the first error of a verdict
}

func run(args []string) error {
	c, config, err := parse(args)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if c.queue, err = nfqueue.Open(config); err != nil {
		return err
	}
	defer c.queue.Close()
	if err := c.prepare(); err != nil {
		return err
	}
	finish, err := c.start(ctx)
	if err != nil {
		return err
	}
	granted, err := readBuffer(c.queue.Con)
	if err != nil {
		return err
	}
	say(map[string]any{"ReadBuffer": granted})
	go answer()
	<-ctx.Done()
	finish()
	say(map[string]any{"Decided": c.decided.Load(), "Refused": c.refused.Load()})
	if err := c.failures.Load(); err != nil {
		return *err
	}
	return nil
}

func parse(args []string) (*consumer, *nfqueue.Config, error) {
	if len(args) != 6 {
		return nil, nil, errors.New("usage: gonfqueue callback|channel queue length buffer accept|drop gso|segments")
	}
	number, err := strconv.ParseUint(args[1], 10, 16)
	length, err2 := strconv.ParseUint(args[2], 10, 32)
	buffer, err3 := strconv.Atoi(args[3])
	if err := errors.Join(err, err2, err3); err != nil {
		return nil, nil, err
	}
	c := &consumer{verdict: nfqueue.NfAccept, buffer: buffer, channel: args[0] == "channel"}
	if args[4] == "drop" {
		c.verdict = nfqueue.NfDrop
	}
	config := &nfqueue.Config{
		NfQueue:      uint16(number),
		MaxQueueLen:  uint32(length),
		MaxPacketLen: 0xffff,
		Copymode:     nfqueue.NfQnlCopyPacket,
	}
	if args[5] == "gso" {
		config.Flags = nfqueue.NfQaCfgFlagGSO
	}
	return c, config, nil
}

// prepare gives the socket the same options as the sockets of all other consumers.
func (c *consumer) prepare() error {
	return errors.Join(c.queue.Con.SetReadBuffer(c.buffer), c.queue.SetOption(netlink.NoENOBUFS, true))
}

// start registers the callback. finish waits until all packets that the callback sent
// to another goroutine are decided.
func (c *consumer) start(ctx context.Context) (finish func(), err error) {
	hook, finish := c.decideNow, func() {}
	if c.channel {
		hook, finish = c.decideElsewhere()
	}
	return finish, c.queue.RegisterWithErrorFunc(ctx, hook, func(err error) int {
		if ctx.Err() == nil {
			c.refused.Add(1)
		}
		return 0
	})
}

func (c *consumer) decideNow(a nfqueue.Attribute) int {
	c.decide(*a.PacketID)
	return 0
}

// decideElsewhere returns a callback that sends packets to a goroutine, which decides
// them.
func (c *consumer) decideElsewhere() (hook nfqueue.HookFunc, finish func()) {
	packets := make(chan nfqueue.Attribute, channelCapacity)
	var done sync.WaitGroup
	done.Go(func() {
		for a := range packets {
			c.decide(*a.PacketID)
		}
	})
	hook = func(a nfqueue.Attribute) int {
		packets <- a
		return 0
	}
	return hook, func() {
		_ = c.queue.Close() // the callback is not called after this
		close(packets)
		done.Wait()
	}
}

func (c *consumer) decide(id uint32) {
	if err := c.queue.SetVerdict(id, c.verdict); err != nil {
		c.failures.CompareAndSwap(nil, &err)
		return
	}
	c.decided.Add(1)
}

// answer prints the runtime's counters of allocations for each line of the standard
// input.
func answer() {
	var m runtime.MemStats
	line := make([]byte, 64)
	for {
		if _, err := os.Stdin.Read(line); err != nil {
			return
		}
		runtime.ReadMemStats(&m)
		say(map[string]any{"Mallocs": m.Mallocs, "Bytes": m.TotalAlloc})
	}
}

// say prints v as a line of JSON.
func say(v any) { _ = json.NewEncoder(os.Stdout).Encode(v) }
