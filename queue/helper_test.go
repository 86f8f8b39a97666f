package queue_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync/atomic"

	"github.com/ipqueue/ipqueue/internal/sock"
	"github.com/ipqueue/ipqueue/queue"
	"github.com/ipqueue/ipqueue/wire"
)

// A device is a queue.Device with its name looked up.
type device struct {
	Index int
	Name  string
}

func deviceOf(d queue.Device) device { return device{d.Index, d.Name()} }

// helpers are what a process that a test starts may run, until its standard
// input ends.
var helpers = map[string]func() error{"own": own, "forward": forward, "bombard": bombard}

// helperVariable names the helper that a process is to run.
const helperVariable = "IPQUEUE_TEST_HELPER"

// help runs a helper and returns the exit status.
func help(helper func() error) int {
	if err := helper(); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// ownNumber is the queue that own and forward hold.
const ownNumber = 7

// own holds a queue and reads nothing.
func own() error {
	q, err := queue.Open(context.Background(), queue.Config{Number: ownNumber})
	if err != nil {
		return err
	}
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
	return q.Close()
}

// forwardLength is the length of the queue that forward holds.
const forwardLength = 128

// forward accepts all packets, with the mark in its argument.
func forward() error {
	mark, err := argument()
	if err != nil {
		return err
	}
	q, err := queue.Open(context.Background(), queue.Config{Number: ownNumber, QueueLength: forwardLength})
	if err != nil {
		return err
	}
	fmt.Println("ready")
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = q.Close()
	}()
	for p := range q.Packets() {
		if err := p.Decide(queue.Verdict{Action: queue.Accept, Mark: mark}); err != nil && !errors.Is(err, queue.ErrClosed) {
			return err
		}
	}
	return q.Err()
}

// argument is the number that a helper was given.
func argument() (uint32, error) {
	n, err := strconv.ParseUint(os.Args[1], 10, 32)
	return uint32(n), err
}

// bombard does what a hostile process with all privileges could: it sends
// messages to the netlink port in its argument as if it were the kernel, and
// messages to the kernel as if it were the owner of queue 0. For each line of
// input it prints how many of the former were sent and how many accepted.
func bombard() error {
	port, err := argument()
	if err != nil {
		return err
	}
	victim, err := sock.Host().Open(sock.Config{Protocol: sock.ProtoNetfilter, Port: port})
	if err != nil {
		return err
	}
	kernel, err := sock.Host().Open(sock.Config{Protocol: sock.ProtoNetfilter})
	if err != nil {
		return err
	}
	fmt.Println("ready")
	var sent, taken atomic.Int64
	go func() {
		for {
			for _, m := range forgeries() {
				n, _ := victim.Send([][]byte{m})
				sent.Add(1)
				taken.Add(int64(n))
			}
			// The kernel says no each time; whether that can be told is no matter.
			_, _ = kernel.Send(usurpations())
		}
	}()
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		fmt.Println(sent.Load(), taken.Load())
	}
	return lines.Err()
}

// forgeries are packets, refusals and nonsense, as if from the kernel.
func forgeries() [][]byte {
	packet := forgedPacket()
	refusal := netlinkMessage(wire.NLMsgError, append([]byte{0xff, 0xff, 0xff, 0xff}, // EPERM
		netlinkMessage(wire.NFQVerdictType, nil)...))
	list := [][]byte{packet, refusal, bytes.Repeat(packet, 100), make([]byte, 150<<10)}
	for n := range len(packet) {
		list = append(list, packet[:n])
	}
	for typ := range uint16(16) { // those of netlink itself
		list = append(list, netlinkMessage(typ, nil))
	}
	return list
}

// forgedPacket is a packet message of queue 0 with a far id.
func forgedPacket() []byte {
	header := wire.AppendAttr(nil, 1, []byte{0, 1, 0, 0, 8, 0, 3}) // NFQA_PACKET_HDR: id, protocol, hook
	return netlinkMessage(wire.NFQPacketType, append(make([]byte, 4), header...))
}

func netlinkMessage(typ uint16, body []byte) []byte {
	b := binary.NativeEndian.AppendUint32(nil, uint32(16+len(body)))
	b = binary.NativeEndian.AppendUint16(b, typ)
	return append(append(b, make([]byte, 10)...), body...)
}

// usurpations are requests that only the owner of a queue may make.
func usurpations() [][]byte {
	const all = 1 << 31
	return [][]byte{
		wire.AppendNFQConfig(nil, wire.FlagRequest, 0, 0, &wire.NFQConfig{Command: wire.CommandUnbind}),
		wire.AppendNFQConfig(nil, wire.FlagRequest, 0, 0, &wire.NFQConfig{Command: wire.CommandBind}),
		wire.AppendNFQConfig(nil, wire.FlagRequest, 0, 0, &wire.NFQConfig{SetMode: true, Mode: wire.CopyNone}),
		wire.AppendNFQConfig(nil, wire.FlagRequest, 0, 0, &wire.NFQConfig{SetMaxLen: true}),
		wire.AppendNFQVerdict(nil, wire.FlagRequest, 0, 0, &wire.NFQVerdict{ID: 1, Verdict: wire.VerdictDrop}),
		wire.AppendNFQVerdictBatch(nil, wire.FlagRequest, 0, 0, &wire.NFQVerdict{ID: all, Verdict: wire.VerdictDrop}),
	}
}

// at is a name for a subtest.
func at(what string, value any) string { return fmt.Sprintf("%s %v", what, value) }
