//go:build linux

package diagnose

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"os"
	"slices"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

const (
	// readTries is how often to read the rules if they change meanwhile.
	readTries = 10
	// readLimit is the longest time that reading may take.
	readLimit = 30 * time.Second
)

// errChanged is the error for rules that changed during every attempt to read
// them.
var errChanged = errors.New("the rules changed while they were read")

// readNFTables returns the rules that send packets to queues. netns is the
// descriptor of a network namespace, 0 for that of the caller.
func readNFTables(ctx context.Context, netns int) ([]Rule, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	var socket *netlink.Conn
	conn, err := nftables.New(nftables.AsLasting(), nftables.WithNetNSFd(netns),
		nftables.WithSockOptions(func(c *netlink.Conn) error {
			socket = c
			return c.SetReadDeadline(time.Now().Add(readLimit))
		}))
	if err != nil {
		return nil, err
	}
	defer conn.CloseLasting()
	stop := context.AfterFunc(ctx, func() { _ = socket.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	list, err := readUnchanged(conn, socket)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() != nil:
		err = context.Cause(ctx)
	case errors.Is(err, unix.EINVAL): // nfnetlink knows no subsystem of that number
		err = errNoNFTables
	}
	return list, err
}

// readUnchanged reads the rules, and again if they have changed meanwhile.
func readUnchanged(conn *nftables.Conn, socket *netlink.Conn) ([]Rule, error) {
	for range readTries {
		before, err := generation(socket)
		if err != nil {
			return nil, err
		}
		list, err := readAll(conn)
		after, gerr := generation(socket)
		if gerr != nil || before == after {
			return list, errors.Join(err, gerr)
		}
	}
	return nil, errChanged
}

// generation returns the generation of the rules, which the kernel increments with
// every change. It is 0 if the kernel has none (before Linux 3.18).
func generation(socket *netlink.Conn) (uint32, error) {
	list, err := socket.Execute(netlink.Message{
		Header: netlink.Header{
			Type:  unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETGEN,
			Flags: netlink.Request,
		},
		Data: make([]byte, 4), // struct nfgenmsg
	})
	if errors.Is(err, unix.EINVAL) {
		return 0, nil
	}
	if err != nil || len(list) == 0 || len(list[0].Data) < 4 {
		return 0, err
	}
	ad, err := netlink.NewAttributeDecoder(list[0].Data[4:])
	if err != nil {
		return 0, err
	}
	ad.ByteOrder = binary.BigEndian
	for ad.Next() {
		if ad.Type() == unix.NFTA_GEN_ID {
			return ad.Uint32(), ad.Err()
		}
	}
	return 0, ad.Err()
}

// A chainKey identifies a chain.
type chainKey struct {
	family nftables.TableFamily
	table  string
	chain  string
}

// A ruleset contains the rules that have been read.
type ruleset struct {
	conn    *nftables.Conn
	dormant map[chainKey]bool       // tables, by a key without a chain
	leads   map[chainKey][]chainKey // the chains to which a chain jumps
	reached map[chainKey]bool
	rules   []Rule
	of      []chainKey // the chains of rules
}

// readAll reads the rules once. Package nftables trusts the lengths that it gets:
// where they are wrong, readAll returns an error.
func readAll(conn *nftables.Conn) (_ []Rule, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("a rule makes no sense: %v", r)
		}
	}()
	s := ruleset{
		conn: conn, dormant: make(map[chainKey]bool),
		leads: make(map[chainKey][]chainKey), reached: make(map[chainKey]bool),
	}
	tables, err := conn.ListTables()
	if err != nil {
		return nil, err
	}
	for _, t := range tables {
		s.dormant[chainKey{family: t.Family, table: t.Name}] = dormant(t)
	}
	chains, err := conn.ListChains()
	if err != nil {
		return nil, err
	}
	for _, c := range chains {
		if err := s.read(c); err != nil {
			return nil, fmt.Errorf("chain %s of table %s: %w", c.Name, c.Table.Name, err)
		}
	}
	for _, c := range chains {
		if c.Hooknum != nil {
			s.reach(keyOf(c))
		}
	}
	for i, key := range s.of {
		s.rules[i].Idle = s.idle(key)
	}
	return s.rules, nil
}

// dormant reports whether the table is switched off. The kernel sends the flags in
// network byte order, but package nftables decodes them in host byte order.
func dormant(t *nftables.Table) bool {
	const flag = 1 // NFT_TABLE_F_DORMANT
	return (t.Flags|bits.ReverseBytes32(t.Flags))&flag != 0
}

func keyOf(c *nftables.Chain) chainKey {
	return chainKey{c.Table.Family, c.Table.Name, c.Name}
}

// reach marks a chain and all chains that it jumps to as reachable.
func (s *ruleset) reach(key chainKey) {
	if s.reached[key] {
		return
	}
	s.reached[key] = true
	for _, next := range s.leads[key] {
		s.reach(next)
	}
}

func (s *ruleset) idle(key chainKey) Idle {
	switch {
	case s.dormant[chainKey{family: key.family, table: key.table}]:
		return DormantTable
	case !s.reached[key]:
		return UnreachableChain
	}
	return ""
}

// read reads the rules of a chain.
func (s *ruleset) read(c *nftables.Chain) error {
	list, err := s.conn.GetRules(c.Table, c)
	if err != nil {
		return err
	}
	key := keyOf(c)
	for _, r := range list {
		for _, name := range s.targets(c.Table, r.Exprs) {
			s.leads[key] = append(s.leads[key], chainKey{key.family, key.table, name})
		}
		rule := Rule{Family: familyName(c.Table.Family), Table: c.Table.Name, Chain: c.Name, Handle: r.Handle}
		if s.queues(c.Table, r.Exprs, &rule) {
			s.rules, s.of = append(s.rules, rule), append(s.of, key)
		}
	}
	return nil
}

// targets returns the chains that a rule jumps to, directly or through a map.
func (s *ruleset) targets(t *nftables.Table, list []expr.Any) (names []string) {
	for _, e := range list {
		switch e := e.(type) {
		case *expr.Verdict:
			if e.Chain != "" {
				names = append(names, e.Chain)
			}
		case *expr.Lookup:
			if !e.IsDestRegSet || e.DestRegister != unix.NFT_REG_VERDICT {
				continue
			}
			for _, value := range s.values(t, e) {
				names = append(names, chainOf(value))
			}
		}
	}
	return names
}

// values returns the values in a map, or none if it cannot be read.
func (s *ruleset) values(t *nftables.Table, e *expr.Lookup) (list [][]byte) {
	elements, _ := s.conn.GetSetElements(&nftables.Set{Table: t, Name: e.SetName})
	for _, e := range elements {
		list = append(list, e.Val)
	}
	return list
}

// chainOf returns the chain in the attributes of a verdict, or "" if there is none.
func chainOf(verdict []byte) (name string) {
	ad, err := netlink.NewAttributeDecoder(verdict)
	if err != nil {
		return ""
	}
	for ad.Next() {
		if ad.Type() == unix.NFTA_VERDICT_CHAIN {
			name = ad.String()
		}
	}
	return name
}

// queues sets the fields of r that describe queues, and reports whether the rule
// sends packets to a queue.
func (s *ruleset) queues(t *nftables.Table, list []expr.Any, r *Rule) (found bool) {
	var source expr.Any // the last expression that computes a number
	for _, e := range list {
		switch e := e.(type) {
		case *expr.Counter:
			r.Counted, r.Packets = true, e.Packets
		case *expr.Numgen, *expr.Hash:
			source = e
		case *expr.Lookup:
			if e.IsDestRegSet {
				source = e
			}
		case *expr.Queue:
			found = true
			r.queue(e.Num, e.Total, e.Flag)
			if e.Total == 0 { // the number is in a register
				r.Numbers, r.By = s.computed(t, source)
			}
		case *expr.Target:
			found = r.target(e) || found
		case *expr.Verdict:
			found = r.verdict(e) || found
		}
	}
	return found
}

// queue sets the queues among which the rule chooses.
func (r *Rule) queue(first, total uint16, flags expr.QueueFlag) {
	r.Numbers = through(first, int(max(total, 1)))
	r.Bypass = flags&expr.QueueFlagBypass != 0
	if flags&expr.QueueFlagFanout != 0 {
		r.By = "fanout"
	}
}

// computed returns the numbers that an expression can compute, and its name. It
// does not check registers: the source of the number is assumed to be the last
// expression that can compute one.
func (s *ruleset) computed(t *nftables.Table, source expr.Any) ([]uint16, string) {
	switch e := source.(type) {
	case *expr.Numgen:
		return modulo(e.Offset, e.Modulus), "numgen"
	case *expr.Hash:
		by := "jhash"
		if e.Type == expr.HashTypeSym {
			by = "symhash"
		}
		return modulo(e.Offset, e.Modulus), by
	case *expr.Lookup:
		var list []uint16
		for _, value := range s.values(t, e) {
			if len(value) >= 2 {
				list = append(list, number(value))
			}
		}
		slices.Sort(list)
		return slices.Compact(list), "map"
	}
	return nil, "an expression"
}

// modulo returns the numbers from offset to offset+n-1, or nil if they are not
// all queue numbers.
func modulo(offset, n uint32) []uint16 {
	if offset > 1<<16-1 || n == 0 || n > 1<<16-offset {
		return nil
	}
	return through(uint16(offset), int(n))
}

// number decodes a queue number in a register: 2 or 4 bytes in host byte order
// (net/netfilter/nft_queue.c, nft_queue_sreg_eval).
func number(b []byte) uint16 {
	if len(b) >= 4 {
		return uint16(binary.NativeEndian.Uint32(b))
	}
	return binary.NativeEndian.Uint16(b)
}

// target decodes the target NFQUEUE of xtables (nft_compat). It consists of 16-bit
// words in host byte order (include/uapi/linux/netfilter/xt_NFQUEUE.h): the queue;
// since revision 1, the number of queues; since revision 2, the flags. Revision 2
// has only the flag for bypass, as a word of its own.
func (r *Rule) target(e *expr.Target) bool {
	info, ok := e.Info.(*xt.Unknown)
	if e.Name != "NFQUEUE" || !ok {
		return false
	}
	words := [3]uint16{1: 1}
	for i := range min(int(e.Rev)+1, len(words), len(*info)/2) {
		words[i] = binary.NativeEndian.Uint16((*info)[2*i:])
	}
	r.queue(words[0], words[1], expr.QueueFlag(words[2]))
	return true
}

// verdict decodes a verdict. "-j QUEUE" creates the verdict QUEUE, with the queue
// number in the upper 16 bits.
func (r *Rule) verdict(e *expr.Verdict) bool {
	const mask, queue, bypass = 0xff, 3, 0x8000 // NF_VERDICT_MASK, NF_QUEUE, NF_VERDICT_FLAG_QUEUE_BYPASS
	word := uint32(e.Kind)
	if word&mask != queue {
		return false
	}
	r.queue(uint16(word>>16), 1, 0)
	r.Bypass = word&bypass != 0
	return true
}

// familyName returns nft's name of a protocol family.
func familyName(f nftables.TableFamily) string {
	switch f {
	case nftables.TableFamilyINet:
		return "inet"
	case nftables.TableFamilyIPv4:
		return "ip"
	case nftables.TableFamilyIPv6:
		return "ip6"
	case nftables.TableFamilyARP:
		return "arp"
	case nftables.TableFamilyNetdev:
		return "netdev"
	case nftables.TableFamilyBridge:
		return "bridge"
	}
	return fmt.Sprintf("family %d", f)
}
