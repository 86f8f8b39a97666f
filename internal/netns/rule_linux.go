package netns

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

func (n *Namespace) nftables() *nftables.Conn {
	return &nftables.Conn{NetNS: n.FD()}
}

func (t *Table) nft() *nftables.Table {
	return &nftables.Table{Name: t.name, Family: nftables.TableFamily(t.family)}
}

func (t *Table) create() error {
	conn := t.ns.nftables()
	conn.AddTable(t.nft())
	return t.flush(conn, "add table")
}

func (t *Table) remove() error {
	conn := t.ns.nftables()
	conn.DelTable(t.nft())
	return t.flush(conn, "delete table")
}

// flush executes the commands; what is for the error.
func (t *Table) flush(conn *nftables.Conn, what string) error {
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("netns: table %s: %s: %w", t.name, what, err)
	}
	return nil
}

func (t *Table) addChain(typ chainType, hook Hook, priority int32) (*Chain, error) {
	c := &Chain{table: t, name: fmt.Sprintf("%s_hook%d_%d", typ, hook, priority)}
	conn := t.ns.nftables()
	chain := c.nft()
	chain.Type = nftables.ChainType(typ)
	chain.Hooknum = nftables.ChainHookRef(nftables.ChainHook(hook))
	chain.Priority = nftables.ChainPriorityRef(nftables.ChainPriority(priority))
	conn.AddChain(chain)
	return c, t.flush(conn, "add chain "+c.name)
}

func (c *Chain) nft() *nftables.Chain {
	return &nftables.Chain{Name: c.name, Table: c.table.nft()}
}

func (c *Chain) add(r Rule) error {
	if r.Action != Enqueue {
		return c.addExprs(append(r.exprs(), r.verdict()...))
	}
	forms, err := r.Queue.exprs()
	if err != nil {
		return err
	}
	for _, form := range forms {
		err = c.addExprs(append(r.exprs(), form))
		// The kernel answers ENOENT to an expression or target it lacks.
		if !errors.Is(err, syscall.ENOENT) {
			return err
		}
	}
	return fmt.Errorf("%w: the kernel has neither nft_queue nor, for this family, the NFQUEUE target: %w",
		errors.ErrUnsupported, err)
}

func (c *Chain) addExprs(exprs []expr.Any) error {
	conn := c.table.ns.nftables()
	conn.AddRule(&nftables.Rule{Table: c.table.nft(), Chain: c.nft(), Exprs: exprs})
	return c.table.flush(conn, "add rule to "+c.name)
}

func (c *Chain) counts() ([]uint64, error) {
	rules, err := c.table.ns.nftables().GetRules(c.table.nft(), c.nft())
	if err != nil {
		return nil, fmt.Errorf("netns: table %s: read counters: %w", c.table.name, err)
	}
	var counts []uint64
	for _, r := range rules {
		for _, e := range r.Exprs {
			if counter, ok := e.(*expr.Counter); ok {
				counts = append(counts, counter.Packets)
			}
		}
	}
	return counts, nil
}
