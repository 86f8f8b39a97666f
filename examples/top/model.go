package main

import (
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/ipqueue/ipqueue/queue"
)

// A sample is the state of the queue at one moment.
type sample struct {
	at            time.Time
	stats         queue.Stats
	waiting, room int      // packets in the channel, and its capacity
	talkers       []talker // since the sample before
	others        count    // in flows not among them
	total         count    // since the beginning
}

// A model is what is shown: two samples, whose difference makes the rates, and
// the size of the screen. View is a function of its values alone.
type model struct {
	number        uint16
	interval      time.Duration
	take          func() sample
	begin         time.Time
	before, now   sample
	width, height int
}

// A tick is the time to take a sample.
type tick time.Time

// newModel returns a model of the size that terminals have unless they say
// otherwise.
func newModel(number uint16, interval time.Duration, take func() sample) model {
	first := take()
	return model{number, interval, take, first.at, first, first, 80, 24}
}

// Init asks for the first tick.
func (m model) Init() tea.Cmd { return m.wait() }

func (m model) wait() tea.Cmd {
	return tea.Tick(m.interval, func(t time.Time) tea.Msg { return tick(t) })
}

// Update takes keys, sizes and ticks.
func (m model) Update(message tea.Msg) (tea.Model, tea.Cmd) {
	switch message := message.(type) {
	case tick:
		m.before, m.now = m.now, m.take()
		return m, m.wait()
	case tea.WindowSizeMsg:
		m.width, m.height = message.Width, message.Height
	case tea.KeyMsg:
		switch message.String() {
		case "q", "ctrl+c", "esc":
			return m, tea.Quit
		}
	}
	return m, nil
}
