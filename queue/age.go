package queue

import "time"

// Age is how long ago the packet was read from the kernel's queue, with
// Config.TrackAge or Config.Deadline, else 0. It is 0 after the verdict too.
func (p Packet) Age() time.Duration {
	if p.slot == nil {
		return 0
	}
	w := &p.slot.q.writer
	w.mu.Lock()
	defer w.mu.Unlock()
	if p.slot.seq != p.seq || p.slot.state != open {
		return 0
	}
	return time.Duration(w.q.now() - p.slot.arrived)
}
