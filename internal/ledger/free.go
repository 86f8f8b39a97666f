package ledger

import "github.com/ipqueue/ipqueue/internal/sock"

// classSize are the sizes of buffers that packets are copied into. A packet is
// copied into the smallest that fits. The last class has no size of its own:
// its slots keep the buffer that the packet was received in.
var classSize = [...]int{256, 768, 1536, 4096}

const (
	classes  = len(classSize) + 1
	bigClass = classes - 1

	// chunkBytes is about how much memory slots with small buffers are made of
	// at once.
	chunkBytes = 16 << 10
	// spareSlots may be kept beyond those that can be in use at a time.
	spareSlots = 256
	// spareBuffers are receive buffers for packets that could be copied too.
	// Where packets are decided at once they are enough for all under way: a
	// batch being read, one in the channel, and one whose verdicts wait.
	spareBuffers = 3 * sock.MaxBatch
	// bigKept bounds the receive buffers that are kept, which are of up to
	// 68 KiB, to 64 MiB.
	bigKept = 960
)

func classFor(size int) int {
	c := 0
	for c < bigClass && size > classSize[c] {
		c++
	}
	return c
}

// A freeList holds unused slots by class. Those used last come first, as their
// memory is the warmest. It is no chain through the slots, whose memory would
// have to be fetched to follow it.
type freeList [classes][]*Slot

func (f *freeList) push(s *Slot) { f[s.class] = append(f[s.class], s) }

// pop takes a slot of a class that has some.
func (f *freeList) pop(class int) *Slot {
	list := f[class]
	last := len(list) - 1
	s := list[last]
	list[last] = nil
	f[class] = list[:last]
	return s
}

// stock moves slots of each class to another list until that has enough for
// any batch.
func (f *freeList) stock(to *freeList) {
	for class := range classes {
		for len(to[class]) < sock.MaxBatch && len(f[class]) > 0 {
			to.push(f.pop(class))
		}
	}
}

// drop forgets up to n slots, those with the largest buffers first, and returns
// how many.
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

// empty forgets all slots, and the memory of the list, and returns how many
// there were.
func (f *freeList) empty() (dropped int) {
	for _, list := range f {
		dropped += len(list)
	}
	*f = freeList{}
	return dropped
}
