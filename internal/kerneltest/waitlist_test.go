package kerneltest

import "testing"

func TestWaitlistDuplicates(t *testing.T) {
	w := newWaitlist()
	var js []*Journey
	for _, id := range []uint64{5, 7, 5, 5} {
		j := newJourney(nil, Packet{})
		js = append(js, j)
		w.push(entry{id, j})
	}
	for _, want := range []int{0, 2, 3} {
		e, ok := w.take(5)
		if !ok || e.j != js[want] {
			t.Errorf("take(5) = %v, want packet %d", ok, want)
		}
	}
	if _, ok := w.take(5); ok || w.len() != 1 {
		t.Errorf("take(5) = %v with %d left, want nothing and 1", ok, w.len())
	}
}

func TestWaitlistTakeWhile(t *testing.T) {
	w := newWaitlist()
	for id := range uint64(5) {
		w.push(entry{id, nil})
	}
	if got := w.takeWhile(func(id uint64) bool { return id != 2 }); len(got) != 2 {
		t.Errorf("took %d, want 2", len(got))
	}
	if got := w.takeAll(everything); len(got) != 3 || w.len() != 0 {
		t.Errorf("took %d and left %d, want 3 and 0", len(got), w.len())
	}
}
