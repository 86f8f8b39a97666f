// Hello drops UDP datagrams that contain the word "secret" and accepts all
// others. Build it, run it as root, and send it packets with a rule:
//
//	iptables -A OUTPUT -p udp --dport 9999 -j NFQUEUE --queue-num 0 --queue-bypass
package main

import (
	"bytes"
	"context"
	"errors"
	"log"
	"os"
	"os/signal"

	"github.com/ipqueue/ipqueue/queue"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := filter(ctx); err != nil && !errors.Is(err, context.Canceled) {
		log.Fatal(err)
	}
}

func filter(ctx context.Context) error {
	q, err := queue.Open(ctx, queue.Config{}) // queue 0, or ip_queue on an old kernel
	if err != nil {
		return err
	}
	defer q.Close()
	for p := range q.Packets() {
		verdict := p.Accept
		if bytes.Contains(p.Data(), []byte("secret")) {
			verdict = p.Drop
		}
		if err := verdict(); err != nil {
			log.Print(err)
		}
	}
	return q.Err()
}
