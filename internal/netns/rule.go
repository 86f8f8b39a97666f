package netns

// A Family selects the packets that a table sees. The values are the kernel's
// (include/uapi/linux/netfilter.h, NFPROTO_*).
type Family uint8

// Families of tables.
const (
	Inet   Family = 1  // both IPv4 and IPv6, Linux 3.14
	IPv4   Family = 2  // nft's "ip"
	Bridge Family = 7  // Ethernet frames that pass a bridge; only nft_queue queues them
	IPv6   Family = 10 // nft's "ip6"
)

// A Hook is a point on a packet's way where the kernel evaluates rules. The values
// are the kernel's (NF_INET_*), as in the NFQUEUE packet header.
type Hook uint8

// Hooks of chains.
const (
	Prerouting  Hook = 0
	Input       Hook = 1
	Forward     Hook = 2
	Output      Hook = 3
	Postrouting Hook = 4
)

// A Protocol is an IP protocol number.
type Protocol uint8

// Protocols of rules.
const (
	ICMP   Protocol = 1
	TCP    Protocol = 6
	UDP    Protocol = 17
	ICMPv6 Protocol = 58
)

// An Action is what happens to a packet that a rule matches.
type Action uint8

// The actions.
const (
	Continue Action = iota // with the next rule
	Accept                 // the chain ends, the chains after it go on
	Drop
	Enqueue // to Rule.Queue; what is accepted there goes on as with Accept
	Reset   // Drop, and a TCP reset to the sender; not at Prerouting

	// Redirect sends the connection that the packet opens to Rule.ToPort of
	// this host. It is for chains of AddNATChain, and for rules with a
	// Protocol that has ports.
	Redirect
)

// A Rule selects packets and contains the action on them. A zero field matches every
// packet, so the zero Rule counts every packet and does nothing.
type Rule struct {
	Protocol Protocol
	DstPort  uint16 // destination port; Protocol must be one that has ports
	SYN      bool   // opens a connection (SYN without ACK, FIN, RST); Protocol must be TCP
	Mark     Mark
	ConnMark Mark   // of the packet's connection, which conntrack keeps
	InLink   string // name of the link the packet came in through
	OutLink  string // name of the link it goes out through

	SetMark  uint32 // not 0: becomes the packet's mark, before Action
	SaveMark bool   // the packet's mark becomes its connection's, before Action
	SetLabel uint8  // not 0: its connection gets that label, of 1 to 127
	Action   Action
	Queue    Queue  // used by Enqueue
	ToPort   uint16 // used by Redirect
}

// A Mark is a condition on the mark of a packet or a connection. The zero Mark is
// always true.
type Mark struct {
	value uint32
	match markMatch
}

type markMatch uint8

const (
	anyMark markMatch = iota
	sameMark
	otherMark
)

// MarkIs is true for the given mark. Packets and connections start with mark 0.
func MarkIs(value uint32) Mark { return Mark{value, sameMark} }

// MarkIsNot is true for any other mark.
func MarkIsNot(value uint32) Mark { return Mark{value, otherMark} }

// A Queue contains the queues to which a rule sends packets. The zero Queue is
// queue 0. While no program has bound it, the kernel drops the packets.
type Queue struct {
	First uint16
	// Last, if not 0, adds queues: the kernel chooses among First to Last by a
	// hash of the addresses. All 65536 queues at once are refused, because the
	// kernel stores their number in 16 bits.
	Last uint16
	// Bypass lets packets pass, like Accept, while no program has bound the queue.
	Bypass bool
	// Fanout chooses the queue by the processor instead of the hash.
	Fanout bool
}

// A Table is a set of chains for one family.
type Table struct {
	ns     *Namespace
	name   string
	family Family
}

// AddTable creates a table, or returns the existing one with that name and family.
// It exists until Delete, or until the end of the namespace.
func (n *Namespace) AddTable(family Family, name string) (*Table, error) {
	t := &Table{ns: n, name: name, family: family}
	if err := t.create(); err != nil {
		return nil, err
	}
	return t, nil
}

// Delete removes the table and its chains. Removing a chain unregisters a netfilter
// hook; the kernel then drops all packets that wait in any queue of the namespace
// (net/netfilter/nf_queue.c, nf_queue_nf_hook_drop).
func (t *Table) Delete() error { return t.remove() }

// A Chain is a list of rules that the kernel evaluates at one hook.
type Chain struct {
	table *Table
	name  string
}

// AddChain creates a chain at the hook, or uses the table's existing chain with that
// hook and priority, and appends the rules. The kernel evaluates chains in ascending
// order of priority, across all tables; ordinary filter chains have 0. A packet that
// no rule decides is accepted.
func (t *Table) AddChain(hook Hook, priority int32, rules ...Rule) (*Chain, error) {
	return t.addRules(filterChain, hook, priority, rules)
}

// AddNATChain is like AddChain, for a chain that the kernel evaluates only for
// packets that open a connection, after conntrack. Its rules may redirect the
// connection. The usual priority is -100 at Prerouting and Output, the hooks for
// Redirect. A table of family Inet can have such chains since Linux 5.2.
func (t *Table) AddNATChain(hook Hook, priority int32, rules ...Rule) (*Chain, error) {
	return t.addRules(natChain, hook, priority, rules)
}

// A chainType is the type of a chain in nftables.
type chainType string

const (
	filterChain chainType = "filter"
	natChain    chainType = "nat"
)

func (t *Table) addRules(typ chainType, hook Hook, priority int32, rules []Rule) (*Chain, error) {
	c, err := t.addChain(typ, hook, priority)
	if err != nil {
		return nil, err
	}
	for _, r := range rules {
		if err := c.Add(r); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Add appends the rule. A rule with a queue uses the kernel's nft_queue or, if the
// kernel lacks it, the target NFQUEUE through nft_compat. If the kernel has neither,
// the error matches errors.ErrUnsupported.
func (c *Chain) Add(r Rule) error { return c.add(r) }

// Counts returns how many packets each rule, in order, has matched.
func (c *Chain) Counts() ([]uint64, error) { return c.counts() }
