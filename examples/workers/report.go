package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/ipqueue/ipqueue/queue"
)

// top is how many conversations are reported.
const top = 10

// report prints the counts of the workers, and the conversations with the most
// bytes.
func (p *pool) report(out io.Writer) {
	fmt.Fprintf(out, "%6s %10s %12s %7s %s\n", "worker", "packets", "bytes", "failed", "conversations")
	for i, w := range p.workers {
		fmt.Fprintf(out, "%6d %10d %12d %7d %d\n", i, w.all.packets, w.all.bytes, w.failed, len(w.conversations)+w.forgotten)
	}
	fmt.Fprintf(out, "\n%10s %12s conversation\n", "packets", "bytes")
	for _, t := range p.loudest() {
		fmt.Fprintf(out, "%10d %12d %v\n", t.packets, t.bytes, t.conversation)
	}
}

// A talk is a conversation with its traffic.
type talk struct {
	conversation queue.Flow
	traffic
}

// loudest returns the conversations with the most bytes.
func (p *pool) loudest() []talk {
	var all []talk
	for _, w := range p.workers {
		for c, t := range w.conversations {
			all = append(all, talk{c, t})
		}
	}
	slices.SortFunc(all, func(a, b talk) int {
		return cmp.Or(cmp.Compare(b.bytes, a.bytes), strings.Compare(a.conversation.String(), b.conversation.String()))
	})
	return all[:min(top, len(all))]
}
