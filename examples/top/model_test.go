package main

import (
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/ipqueue/ipqueue/queue"
)

func TestUpdate(t *testing.T) {
	clock := noon
	m := newModel("Queue 3", time.Second, look{}, func() sample { clock = clock.Add(time.Second); return sample{at: clock} })
	if m.seconds() != 0 {
		t.Errorf("samples %v s apart at the beginning, want 0", m.seconds())
	}
	for range 2 {
		next, command := m.Update(tick(clock))
		m = next.(model)
		if m.seconds() != 1 || command == nil {
			t.Errorf("samples %v s apart, another tick to come: %t, want 1 and true", m.seconds(), command != nil)
		}
	}
	next, _ := m.Update(tea.WindowSizeMsg{Width: 12, Height: 34})
	if m = next.(model); m.width != 12 || m.height != 34 {
		t.Errorf("size %d by %d, want 12 by 34", m.width, m.height)
	}
}

func TestKeys(t *testing.T) {
	for _, test := range []struct {
		key  tea.KeyMsg
		want bool
	}{
		{tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("q")}, true},
		{tea.KeyMsg{Type: tea.KeyCtrlC}, true},
		{tea.KeyMsg{Type: tea.KeyEsc}, true},
		{tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("x")}, false},
	} {
		_, command := idle().Update(test.key)
		got := false
		if command != nil {
			_, got = command().(tea.QuitMsg)
		}
		if got != test.want {
			t.Errorf("%v quits: %t, want %t", test.key, got, test.want)
		}
	}
}

// TestHistory checks that the history keeps the newest rates, at most as many
// as a screen can show.
func TestHistory(t *testing.T) {
	clock, received := noon, uint64(0)
	m := newModel("Queue 3", time.Second, look{}, func() sample {
		clock = clock.Add(time.Second)
		received += uint64(clock.Sub(noon) / time.Second)
		return sample{at: clock, stats: queue.Stats{Received: received}}
	})
	for range 2 * remembered {
		m = m.next()
	}
	past := m.past.packets
	if len(past) != remembered || past[0] != remembered+2 || past[remembered-1] != 2*remembered+1 {
		t.Errorf("%d rates from %v to %v, want the newest %d", len(past), past[0], past[len(past)-1], remembered)
	}
	if m.past.lost[0] != 0 || m.past.bits[0] != 0 {
		t.Error("lost or bits without any")
	}
}

// TestLost checks that packets that the program did not decide count as lost,
// each once.
func TestLost(t *testing.T) {
	s := queue.Stats{
		Missed: 5, Overflowed: 10, Expired: 20, Damaged: 40, Gone: 80, Abandoned: 160,
		Dropped: 1 << 20, Refused: 1 << 21, Late: 1 << 22,
		Kernel: queue.KernelStats{QueueDropped: 320, SocketDropped: 4},
	}
	if got, want := lost(&s), uint64(5+10+20+40+80+160+320); got != want {
		t.Errorf("lost %d, want %d", got, want)
	}
}
