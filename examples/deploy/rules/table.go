//go:build linux

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
	"golang.org/x/sys/unix"
)

// The bits of the mark that the firewall uses by default.
const (
	accepted = 1
	rejected = 2
)

func table() *nftables.Table {
	return &nftables.Table{Family: nftables.TableFamilyINet, Name: "ipqueue-firewall"}
}

// install replaces the present rules. The expression queue sends packets to the
// queue.
func (o options) install(queue expr.Any) error {
	c, err := nftables.New()
	if err != nil {
		return err
	}
	clear(c)
	t := c.AddTable(table())
	queued := c.AddChain(&nftables.Chain{Name: "queued", Table: t})
	for _, exprs := range [][]expr.Any{
		append(marked(accepted), saveMark()...),
		append(append(marked(accepted), unmark()...), verdict(expr.VerdictAccept)),
		append(bits(&expr.Ct{Key: expr.CtKeyMARK, Register: 1}, accepted), verdict(expr.VerdictAccept)),
		append(related(), verdict(expr.VerdictAccept)),
		append(append(marked(rejected), isTCP()...), &expr.Reject{Type: unix.NFT_REJECT_TCP_RST}),
		append(marked(rejected), &expr.Reject{Type: unix.NFT_REJECT_ICMPX_UNREACH, Code: unix.NFT_REJECT_ICMPX_PORT_UNREACH}),
		{queue},
	} {
		c.AddRule(&nftables.Rule{Table: t, Chain: queued, Exprs: exprs})
	}
	for _, name := range o.hooks {
		base := c.AddChain(&nftables.Chain{
			Name: name, Table: t, Type: nftables.ChainTypeFilter, Hooknum: hooks[name], Priority: nftables.ChainPriorityFilter,
		})
		c.AddRule(&nftables.Rule{Table: t, Chain: base, Exprs: []expr.Any{&expr.Verdict{Kind: expr.VerdictJump, Chain: "queued"}}})
	}
	return explain("install the rules", c.Flush())
}

// remove removes the rules, if there are any.
func remove() error {
	c, err := nftables.New()
	if err != nil {
		return err
	}
	clear(c)
	return explain("remove the rules", c.Flush())
}

// clear removes the table. The kernel refuses to remove a table that does not
// exist, so clear adds it first.
func clear(c *nftables.Conn) { c.DelTable(c.AddTable(table())) }

func explain(what string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EPERM):
		return fmt.Errorf("%s: CAP_NET_ADMIN is missing: %w", what, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// forms returns the possible expressions for the queue, best first: nft_queue,
// then the target NFQUEUE for kernels without it.
func (o options) forms() []expr.Any {
	native := &expr.Queue{Num: o.queue, Total: 1}
	words := []uint16{o.queue, 1, 0}
	if o.bypass {
		native.Flag, words[2] = expr.QueueFlagBypass, 1
	}
	var info xt.Unknown
	for _, w := range words {
		info = binary.NativeEndian.AppendUint16(info, w)
	}
	return []expr.Any{native, &expr.Target{Name: "NFQUEUE", Rev: 3, Info: &info}}
}

// marked matches packets with the bit in their mark.
func marked(bit uint32) []expr.Any { return bits(&expr.Meta{Key: expr.MetaKeyMARK, Register: 1}, bit) }

// bits matches if what load puts into register 1 has the bits.
func bits(load expr.Any, bits uint32) []expr.Any {
	return []expr.Any{
		load,
		mask(bits, 0),
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: binaryutil.NativeEndian.PutUint32(0)},
	}
}

// mask keeps some bits of register 1 and flips others.
func mask(keep, flip uint32) expr.Any {
	return &expr.Bitwise{
		SourceRegister: 1, DestRegister: 1, Len: 4,
		Mask: binaryutil.NativeEndian.PutUint32(keep), Xor: binaryutil.NativeEndian.PutUint32(flip),
	}
}

// saveMark sets the bit in the mark of the packet's connection.
func saveMark() []expr.Any {
	return []expr.Any{
		&expr.Ct{Key: expr.CtKeyMARK, Register: 1},
		mask(^uint32(accepted), accepted),
		&expr.Ct{Key: expr.CtKeyMARK, Register: 1, SourceRegister: true},
	}
}

// unmark clears the bit in the packet's own mark, which routing may depend on.
func unmark() []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyMARK, Register: 1},
		mask(^uint32(accepted), 0),
		&expr.Meta{Key: expr.MetaKeyMARK, Register: 1, SourceRegister: true},
	}
}

func related() []expr.Any {
	return bits(&expr.Ct{Key: expr.CtKeySTATE, Register: 1}, expr.CtStateBitRELATED)
}

func isTCP() []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_TCP}},
	}
}

func verdict(kind expr.VerdictKind) expr.Any { return &expr.Verdict{Kind: kind} }
