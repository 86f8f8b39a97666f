package ledger

import "math/bits"

// An ids finds the undecided packets of ip_queue by their id, an address that
// the kernel reuses. It is a hash table with chains of slots.
type ids struct {
	chains []*Slot // a power of two of them
	n      int
}

const fewestChains = 1 << 10 // the default length of ip_queue

func newIDs() *ids { return &ids{chains: make([]*Slot, fewestChains)} }

// chain returns the chain for an id. It uses the high bits of the product,
// which depend on all bits of the id.
func (t *ids) chain(id uint64) **Slot {
	const golden = 0x9e3779b97f4a7c15 // 2^64 divided by the golden ratio
	return &t.chains[id*golden>>(64-bits.TrailingZeros(uint(len(t.chains))))]
}

// replace adds s in place of the packet with the same id. It returns that
// packet, or nil if there is none.
func (t *ids) replace(s *Slot) (old *Slot) {
	if t.n == len(t.chains) {
		t.resize(2 * len(t.chains))
	}
	old = t.remove(s.ID)
	t.push(s)
	t.n++
	return old
}

func (t *ids) push(s *Slot) {
	head := t.chain(s.ID)
	s.chained, *head = *head, s
}

// remove removes the packet with that id and returns it, or nil if there is
// none.
func (t *ids) remove(id uint64) *Slot {
	for at := t.chain(id); *at != nil; at = &(*at).chained {
		if s := *at; s.ID == id {
			*at, s.chained = s.chained, nil
			t.n--
			return s
		}
	}
	return nil
}

// fit frees memory that was needed for more packets than there are now.
func (t *ids) fit() {
	size := fewestChains
	for size < t.n {
		size *= 2
	}
	if size < len(t.chains) {
		t.resize(size)
	}
}

// resize moves all packets to a table of that many chains.
func (t *ids) resize(chains int) {
	old := t.chains
	t.chains = make([]*Slot, chains)
	for _, s := range old {
		for s != nil {
			next := s.chained
			t.push(s)
			s = next
		}
	}
}
