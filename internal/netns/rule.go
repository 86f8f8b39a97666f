package netns

// A Family says which packets a table sees. The values are the kernel's
// (include/uapi/linux/netfilter.h, NFPROTO_*).
type Family uint8

// Families of tables.
const (
	Inet   Family = 1  // both IPv4 and IPv6, Linux 3.14
	IPv4   Family = 2  // nft's "ip"
	Bridge Family = 7  // Ethernet frames that pass a bridge; only nft_queue queues them
	IPv6   Family = 10 // nft's "ip6"
)

// A Hook is a point on a packet's way where the kernel asks the rules. The
// values are the kernel's (NF_INET_*), as in the NFQUEUE packet header.
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

// What becomes of a packet that a rule matches.
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

// A Rule says what happens to which packets. Each field's zero value leaves
// that match out, so the zero Rule counts every packet and does nothing.
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

// A Mark is a condition on the mark of a packet or a connection. The zero Mark
// holds always.
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

// MarkIs holds for that mark. Packets and connections start with mark 0.
func MarkIs(value uint32) Mark { return Mark{value, sameMark} }

// MarkIsNot holds for any other mark.
func MarkIsNot(value uint32) Mark { return Mark{value, otherMark} }

// A Queue says to which queues a rule hands packets. The zero Queue is queue
// 0 alone, and drops packets when nobody has bound it.
type Queue struct {
	First uint16
	// Last makes it several queues, First to Last, among which the kernel
	// chooses by a hash of the addresses. 0 means First alone. All 65536 at
	// once are refused: the kernel counts them in 16 bits.
	Last uint16
	// Bypass lets packets pass as with Accept when nobody has bound the queue.
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

// AddTable makes a table, or adopts the one of that name and family. It
// disappears with Delete or with the namespace.
func (n *Namespace) AddTable(family Family, name string) (*Table, error) {
	t := &Table{ns: n, name: name, family: family}
	if err := t.create(); err != nil {
		return nil, err
	}
	return t, nil
}

// Delete removes the table and its chains. With a chain a netfilter hook goes,
// at which the kernel drops all packets waiting in any queue of the namespace
// (net/netfilter/nf_queue.c, nf_queue_nf_hook_drop).
func (t *Table) Delete() error { return t.remove() }

// A Chain is a list of rules asked at one hook.
type Chain struct {
	table *Table
	name  string
}

// AddChain makes a chain at the hook, or adopts the table's chain of that hook
// and priority, and appends the rules. Chains of a lower priority are asked
// first, whichever table they are in; ordinary filter chains have 0. What no
// rule decides is accepted.
func (t *Table) AddChain(hook Hook, priority int32, rules ...Rule) (*Chain, error) {
	return t.addRules(filterChain, hook, priority, rules)
}

// AddNATChain is AddChain for a chain that is asked only about packets that
// open a connection, after conntrack, and whose rules may redirect it. The
// usual priority is -100 at Prerouting and Output, the hooks for Redirect. A
// table of family Inet can have such chains since Linux 5.2.
func (t *Table) AddNATChain(hook Hook, priority int32, rules ...Rule) (*Chain, error) {
	return t.addRules(natChain, hook, priority, rules)
}

// A chainType is what nftables calls the type of a chain.
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

// Add appends the rule. A rule to a queue uses the kernel's nft_queue or, in a
// kernel without, its NFQUEUE target through nft_compat. If it has neither the
// error matches errors.ErrUnsupported.
func (c *Chain) Add(r Rule) error { return c.add(r) }

// Counts returns how many packets each rule, in order, has matched.
func (c *Chain) Counts() ([]uint64, error) { return c.counts() }
