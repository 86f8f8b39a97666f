package main

import (
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
)

func TestUpdate(t *testing.T) {
	clock := noon
	m := newModel(3, time.Second, func() sample { clock = clock.Add(time.Second); return sample{at: clock} })
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
