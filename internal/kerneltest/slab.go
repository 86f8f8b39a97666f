package kerneltest

// A slab allocates addresses of objects, like the allocator behind ip_queue's
// packet ids: it reuses freed addresses first, starting with the last one freed.
type slab struct {
	next, size uint64
	free       []uint64
	forced     []uint64 // addresses to give out before all others
}

// newSlab returns a slab whose addresses look like those of the kernel: the highest
// bit of a long is set.
func newSlab(a abi, f Family) *slab {
	s := &slab{next: 0xffff88001d340c60, size: 0x60}
	if a.long == 4 {
		s = &slab{next: 0xddac4100, size: 0x40}
	}
	if f == IPv6 {
		s.next, s.size = s.next+1<<16, s.size+0x20
	}
	return s
}

func (s *slab) alloc() uint64 {
	if n := len(s.forced); n > 0 {
		a := s.forced[0]
		s.forced = s.forced[1:]
		return a
	}
	if n := len(s.free); n > 0 {
		a := s.free[n-1]
		s.free = s.free[:n-1]
		return a
	}
	a := s.next
	s.next += s.size
	return a
}

func (s *slab) release(a uint64) { s.free = append(s.free, a) }
