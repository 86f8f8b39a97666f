package queue_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"os/signal"
	"sync"
	"time"

	"github.com/ipqueue/ipqueue/queue"
)

func Example() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	q, err := queue.Open(ctx, queue.Config{})
	if err != nil {
		log.Print(err)
		return
	}
	defer q.Close()
	for p := range q.Packets() {
		// Accept and Drop fail only if the packet needs no verdict any more.
		if len(p.Payload) > 1000 {
			_ = p.Drop()
		} else {
			_ = p.Accept()
		}
	}
	if err := q.Err(); err != nil {
		log.Print(err)
	}
}

// All reads packets on the goroutine of the loop. After a break the queue is
// still open, and a later loop continues with the next packet.
func ExampleQueue_All() {
	q, err := queue.Open(context.Background(), queue.Config{Number: 5})
	if err != nil {
		log.Print(err)
		return
	}
	defer q.Close()
	for p := range q.All() {
		if err := p.Accept(); err != nil {
			log.Print(err)
		}
		if p.Mark == 42 {
			break
		}
	}
}

// Headers are enough until something looks suspicious. The mode may be changed
// from the loop over the packets.
func ExampleQueue_SetMode() {
	ctx := context.Background()
	q, err := queue.Open(ctx, queue.Config{Mode: queue.Range(128)})
	if err != nil {
		log.Print(err)
		return
	}
	defer q.Close()
	for p := range q.Packets() {
		if p.Length > 1000 && p.Truncated() {
			if err := q.SetMode(ctx, queue.WholePacket); err != nil {
				log.Print(err)
			}
		}
		_ = p.Accept()
	}
}

// Replace makes lengths and checksums right in its own copy. The new bytes may
// be those of the packet, changed, and of another length.
func ExamplePacket_Replace() {
	q, err := queue.Open(context.Background(), queue.Config{})
	if err != nil {
		log.Print(err)
		return
	}
	defer q.Close()
	for p := range q.Packets() {
		changed := bytes.ReplaceAll(p.Payload, []byte("colour"), []byte("colors"))
		if err := p.Replace(changed); err != nil {
			log.Print(err)
			_ = p.Drop() // a refused replacement leaves the packet undecided
		}
	}
}

// A verdict can carry more than an action: here a mark by which later rules
// know the packet, so that Repeat does not bring it back.
func ExamplePacket_Decide() {
	q, err := queue.Open(context.Background(), queue.Config{Number: 1})
	if err != nil {
		log.Print(err)
		return
	}
	defer q.Close()
	for p := range q.Packets() {
		if err := p.Decide(queue.Verdict{Action: queue.Repeat, Mark: 7}); err != nil {
			log.Print(err)
			_ = p.Drop() // ip_queue, for example, refuses marks
		}
	}
}

// The first packet of a connection decides for all that follow: its verdict
// marks the connection, and a rule before the one that queues lets packets of
// marked connections pass, "ct mark 1 accept".
func ExamplePacket_Conntrack() {
	q, err := queue.Open(context.Background(), queue.Config{Conntrack: true})
	if err != nil {
		log.Print(err)
		return
	}
	defer q.Close()
	for p := range q.Packets() {
		c, tracked := p.Conntrack()
		if !tracked || c.State != queue.CTNew || c.Original.Destination.Port() != 53 {
			_ = p.Drop()
			continue
		}
		v := queue.Verdict{Action: queue.Accept, Conntrack: queue.CTChange{Mark: 1}}
		if err := p.Decide(v); err != nil {
			log.Print(err)
			_ = p.Drop()
		}
	}
}

// The kernel may refuse a verdict after it was sent. Usually it no longer has
// the packet, because its interface went down.
func ExampleConfig_onRefused() {
	q, err := queue.Open(context.Background(), queue.Config{
		OnRefused: func(id uint64, err error) {
			if !errors.Is(err, fs.ErrNotExist) { // ENOENT
				log.Printf("packet %d: %v", id, err)
			}
		},
	})
	if err != nil {
		log.Print(err)
		return
	}
	defer q.Close()
	for p := range q.Packets() {
		_ = p.Accept()
	}
}

// With a deadline, no packet waits for ever, even if the goroutine that should
// decide it hangs.
func ExampleConfig_deadline() {
	q, err := queue.Open(context.Background(), queue.Config{
		Deadline:   2 * time.Second,
		OnDeadline: queue.Accept,
		WhenFull:   queue.Accept,
	})
	if err != nil {
		log.Print(err)
		return
	}
	defer q.Close()
	for p := range q.Packets() {
		go func() {
			time.Sleep(time.Second) // ask somebody
			if err := p.Accept(); errors.Is(err, queue.ErrDecided) {
				log.Printf("packet %d: too late", p.ID)
			}
		}()
	}
	if n := q.Stats(); n.Expired > 0 {
		log.Printf("%d packets were not decided in time", n.Expired)
	}
}

// Each queue of a group is served on its own, so that none waits for another.
func ExampleOpenGroup() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	g, err := queue.OpenGroup(ctx, queue.Config{Number: 0}.Balance(4)...) // --queue-balance 0:3
	if err != nil {
		log.Print(err)
		return
	}
	defer g.Close()
	var servers sync.WaitGroup
	for _, q := range g.Queues() {
		servers.Go(func() {
			for p := range q.All() {
				_ = p.Accept()
			}
		})
	}
	servers.Wait()
	if err := g.Err(); err != nil {
		log.Print(err)
	}
}

// A flow is a key for what is known about a conversation. Packet.Flow reads it
// from the packet.
func ExampleFlow() {
	p := queue.Packet{Payload: []byte{
		0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2, // IPv4
		0x12, 0x34, 0, 53, 0, 8, 0, 0, // UDP
	}}
	f := p.Flow()
	seen := map[queue.Flow]int{}
	seen[f]++
	fmt.Println(f)
	fmt.Println("to port", f.Destination.Port(), "of", f.Destination.Addr())
	fmt.Println("answers:", f.Reverse())
	// Output:
	// UDP 192.0.2.1:4660 > 192.0.2.2:53
	// to port 53 of 192.0.2.2
	// answers: UDP 192.0.2.2:53 > 192.0.2.1:4660
}
