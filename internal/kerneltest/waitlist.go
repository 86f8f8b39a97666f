package kerneltest

import "container/list"

// An entry is a packet that waits for a verdict.
type entry struct {
	id uint64
	j  *Journey
}

// A waitlist contains the packets that wait for a verdict, oldest first. Its zero
// value is not usable.
type waitlist struct {
	order *list.List // of entry
	index map[uint64]*list.Element
}

func newWaitlist() waitlist {
	return waitlist{list.New(), make(map[uint64]*list.Element)}
}

func (w *waitlist) len() int { return w.order.Len() }

// push adds the newest packet. If another packet has the same id, lookups by that
// id find the older packet first.
func (w *waitlist) push(e entry) {
	el := w.order.PushBack(e)
	if w.index[e.id] == nil {
		w.index[e.id] = el
	}
}

// take removes the oldest packet with that id.
func (w *waitlist) take(id uint64) (entry, bool) {
	el := w.index[id]
	if el == nil {
		return entry{}, false
	}
	return w.remove(el), true
}

// takeWhile removes packets from the front while f returns true for their ids.
func (w *waitlist) takeWhile(f func(id uint64) bool) (taken []entry) {
	for el := w.order.Front(); el != nil && f(el.Value.(entry).id); el = w.order.Front() {
		taken = append(taken, w.remove(el))
	}
	return taken
}

// takeAll removes the packets that match.
func (w *waitlist) takeAll(match func(*Journey) bool) (taken []entry) {
	for el := w.order.Front(); el != nil; {
		next := el.Next()
		if match(el.Value.(entry).j) {
			taken = append(taken, w.remove(el))
		}
		el = next
	}
	return taken
}

func (w *waitlist) remove(el *list.Element) entry {
	e := w.order.Remove(el).(entry)
	if w.index[e.id] == el {
		delete(w.index, e.id)
		w.reindex(e.id)
	}
	return e
}

// reindex looks for another packet with the id of one that was removed.
func (w *waitlist) reindex(id uint64) {
	if len(w.index) == w.order.Len() {
		return // all ids differ
	}
	for el := w.order.Front(); el != nil; el = el.Next() {
		if el.Value.(entry).id == id {
			w.index[id] = el
			return
		}
	}
}

// everything matches any packet.
func everything(*Journey) bool { return true }
