package ledger

import "github.com/ipqueue/ipqueue/internal/sock"

// classSize contains the sizes of the buffers that packets are copied into. A
// packet is copied into the smallest that fits. The last class has no size: its
// slots keep the buffers into which packets were received.
var classSize = [...]int{256, 768, 1536, 4096}

const (
	classes  = len(classSize) + 1
	bigClass = classes - 1

	// chunkBytes is the amount of memory to allocate at once for slots with
	// small buffers.
	chunkBytes = 16 << 10
	// spareSlots is the number of slots to keep in addition to MaxUndecided.
	spareSlots = 256
	// spareBuffers is the number of receive buffers for packets that are small
	// enough to copy. If the application decides packets immediately, this
	// suffices for all: a batch being read, one in the channel, and one in the
	// outbox.
	spareBuffers = 3 * sock.MaxBatch
	// bigKept is the number of receive buffers to keep. They have up to 68 KiB
	// each, 64 MiB together.
	bigKept = 960
)

func classFor(size int) int {
	c := 0
	for c < bigClass && size > classSize[c] {
		c++
	}
	return c
}

// A freeList holds free slots by class. The slots used last are reused first,
// because their memory is most likely in the cache. The list does not link the
// slots themselves, because following the links would load their memory.
type freeList [classes][]*Slot

func (f *freeList) push(s *Slot) { f[s.class] = append(f[s.class], s) }

// pop removes a slot of a class, which must not be empty, and returns it.
func (f *freeList) pop(class int) *Slot {
	list := f[class]
	last := len(list) - 1
	s := list[last]
	list[last] = nil
	f[class] = list[:last]
	return s
}

// stock moves slots of each class to another list until it has enough for any
// batch.
func (f *freeList) stock(to *freeList) {
	for class := range classes {
		for len(to[class]) < sock.MaxBatch && len(f[class]) > 0 {
			to.push(f.pop(class))
		}
	}
}

// drop drops up to n slots, those with the largest buffers first, and returns
// their number.
func (f *freeList) drop(n int) (dropped int) {
	for class := classes - 1; class >= 0; class-- {
		list := f[class]
		k := max(len(list)-(n-dropped), 0)
		dropped += len(list) - k
		clear(list[k:])
		f[class] = list[:k]
	}
	return dropped
}

// empty drops all slots and the memory of the list, and returns the number of
// slots.
func (f *freeList) empty() (dropped int) {
	for _, list := range f {
		dropped += len(list)
	}
	*f = freeList{}
	return dropped
}
