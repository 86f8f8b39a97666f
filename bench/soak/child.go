package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"time"

	"github.com/ipqueue/ipqueue/internal/testutil"
	"github.com/ipqueue/ipqueue/queue"
	"github.com/ipqueue/ipqueue/wire"
)

// consumeRole is the first argument with which the program runs itself as a consumer
// of childQueue. The second is a seed.
const consumeRole = "consume"

// playRole runs the role that the arguments contain and returns the exit status. If
// they contain no role, it does nothing and played is false.
func playRole(args []string) (status int, played bool) {
	if len(args) != 3 || args[1] != consumeRole {
		return 0, false
	}
	seed, err := strconv.ParseUint(args[2], 10, 64)
	if err == nil {
		err = consumeChild(rand.New(rand.NewPCG(seed, 0)))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1, true
	}
	return 0, true
}

// consumeChild accepts all packets, in random order, until the standard input ends. It
// prints "ready" when the queue is open, and at its end the number of packets decided.
func consumeChild(r *rand.Rand) error {
	cfg := queue.Config{
		Number:      childQueue,
		QueueLength: pick(r, 64, 1024, 4096),
		ReadBuffer:  pick(r, 0, 64<<10),
		Buffer:      pick(r, 0, 1),
	}
	q, err := queue.Open(context.Background(), cfg)
	if err != nil {
		return err
	}
	defer q.Close()
	fmt.Println("ready")
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		q.Close()
	}()
	j := &judge{q: q, cfg: cfg, noise: newNoise()}
	for p := range q.Packets() {
		if err := j.acceptLater(r, p); err != nil {
			return err
		}
	}
	s := q.Stats()
	var found problems
	found.identity(s)
	found.equal("Decided against the verdicts given", s.Decided, j.given.accepted)
	if len(found) > 0 {
		return found
	}
	return errors.Join(q.Err(), json.NewEncoder(os.Stdout).Encode(s.Decided))
}

// acceptLater collects packets while the channel has more, and then accepts them in
// random order.
func (j *judge) acceptLater(r *rand.Rand, p queue.Packet) error {
	j.shelf.put(p)
	if len(j.q.Packets()) > 0 && !maybe(r, 8) {
		return nil
	}
	packets := j.shelf.take()
	for _, i := range r.Perm(len(packets)) {
		if err := j.inspect(packets[i]); err != nil {
			return err
		}
		v := queue.Verdict{Action: queue.Accept, Mark: childMark}
		err := packets[i].Decide(v)
		if err == nil {
			j.given.add(v)
		} else if !errors.Is(err, queue.ErrClosed) {
			return err
		}
	}
	return nil
}

// A nursery runs one child after the other, so that childQueue is always served.
type nursery struct {
	world  *world
	gate   *gate
	totals *totals
}

func (n *nursery) run(ctx context.Context, r *rand.Rand) error {
	for ctx.Err() == nil {
		if err := n.life(ctx, r); err != nil {
			return fmt.Errorf("child: %w", err)
		}
		n.totals.addChild()
	}
	return nil
}

// life runs one child from its start to its end.
func (n *nursery) life(ctx context.Context, r *rand.Rand) error {
	born, err := n.world.passage()
	if err != nil {
		return err
	}
	c, err := startChild(r.Uint64())
	if err != nil {
		return err
	}
	defer c.kill()
	pause(ctx, r, time.Second)
	switch r.IntN(4) {
	case 0:
		return nil // killed
	case 1:
		_, err = n.audit(c, born)
		return err
	case 2:
		resume, err := n.audit(c, born)
		if err == nil {
			err = resume()
		}
		if err != nil {
			return err
		}
		pause(ctx, r, 500*time.Millisecond)
	}
	return n.end(c, born)
}

// audit stops the child, and checks that as many packets passed as the kernel received
// verdicts for. resume continues the child.
func (n *nursery) audit(c *child, born passage) (resume func() error, err error) {
	n.gate.Lock()
	defer n.gate.Unlock()
	resume, err = testutil.Halt(c.cmd.Process)
	if err != nil {
		return nil, err
	}
	row, ok, err := readRow(childQueue)
	if err == nil && !ok {
		err = errors.New("the kernel has no row for its queue")
	}
	now, err2 := n.world.passage()
	if err := errors.Join(err, err2); err != nil {
		return nil, err
	}
	got, want := now.sub(born)[childMark], row.LastID-row.Pending-row.UserDropped
	if got != uint64(want) {
		return nil, fmt.Errorf("stopped: %d packets passed, but the kernel received verdicts for %d: %+v", got, want, row)
	}
	return resume, nil
}

// end ends the child, which checks its own counters, and compares the number that the
// child prints with the number of packets that passed.
func (n *nursery) end(c *child, born passage) error {
	var decided uint64
	if err := c.end(&decided); err != nil {
		return err
	}
	now, err := n.world.passage()
	if got := now.sub(born)[childMark]; err == nil && got != decided {
		err = fmt.Errorf("ended: %d packets passed, but it accepted %d", got, decided)
	}
	return err
}

// statusFile has a row for each queue of the process's network namespace.
const statusFile = "/proc/net/netfilter/nfnetlink_queue"

func readRow(number uint16) (wire.NFQStatus, bool, error) {
	text, err := os.ReadFile(statusFile)
	if err != nil {
		return wire.NFQStatus{}, false, err
	}
	return wire.ParseNFQStatus(text, number)
}

// A child is a process that consumes childQueue.
type child struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	dead bool
}

// startChild starts a child and waits until it has opened its queue.
func startChild(seed uint64) (*child, error) {
	cmd := exec.Command("/proc/self/exe", consumeRole, fmt.Sprint(seed))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &child{cmd: cmd, in: in, out: bufio.NewReader(out)}
	if line, err := c.out.ReadString('\n'); line != "ready\n" {
		c.kill()
		return nil, fmt.Errorf("it printed %q instead of ready: %v", line, err)
	}
	return c, nil
}

// end ends the child regularly and decodes its output into v.
func (c *child) end(v any) error {
	c.in.Close()
	c.dead = true
	return within(patience, "it ends", func() error {
		return errors.Join(json.NewDecoder(c.out).Decode(v), c.cmd.Wait())
	})
}

// kill kills the child, even if it is stopped, unless it has ended.
func (c *child) kill() {
	if c.dead {
		return
	}
	c.dead = true
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
}
