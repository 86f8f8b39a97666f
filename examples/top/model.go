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

// A history contains past rates, the newest last.
type history struct{ packets, bits, lost []float64 }

// remembered is the number of rates in a history: as many as a wide screen
// shows.
const remembered = 256

func remember(past []float64, rate float64) []float64 {
	return append(past[max(0, len(past)-remembered+1):], rate)
}

// A model contains what is shown: two samples, whose difference gives the
// rates, past rates, and the size of the screen. View depends only on these
// values.
type model struct {
	title         string
	interval      time.Duration
	look          look
	take          func() sample
	begin         time.Time
	before, now   sample
	past          history
	width, height int
}

// A tick is the time to take a sample.
type tick time.Time

// newModel returns a model with the usual size of a terminal.
func newModel(title string, interval time.Duration, look look, take func() sample) model {
	first := take()
	return model{
		title: title, interval: interval, look: look, take: take,
		begin: first.at, before: first, now: first, width: 80, height: 24,
	}
}

// Init asks for the first tick.
func (m model) Init() tea.Cmd { return m.wait() }

func (m model) wait() tea.Cmd {
	return tea.Tick(m.interval, func(t time.Time) tea.Msg { return tick(t) })
}

// next returns the model with another sample.
func (m model) next() model {
	m.before, m.now = m.now, m.take()
	m.past = history{
		remember(m.past.packets, m.packetRate()),
		remember(m.past.bits, m.bitRate()),
		remember(m.past.lost, m.lostRate()),
	}
	return m
}

// Update takes keys, sizes and ticks.
func (m model) Update(message tea.Msg) (tea.Model, tea.Cmd) {
	switch message := message.(type) {
	case tick:
		m = m.next()
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

// seconds is the time between the samples.
func (m model) seconds() float64 { return m.now.at.Sub(m.before.at).Seconds() }

// rate returns the increase per second.
func (m model) rate(before, now uint64) float64 {
	if m.seconds() <= 0 {
		return 0
	}
	return float64(now-before) / m.seconds()
}

func (m model) packetRate() float64 {
	return m.rate(m.before.stats.Received, m.now.stats.Received)
}

func (m model) bitRate() float64 { return 8 * m.rate(m.before.total.bytes, m.now.total.bytes) }

func (m model) lostRate() float64 { return m.rate(lost(&m.before.stats), lost(&m.now.stats)) }

// lost returns the number of packets that the program did not decide. Missed
// includes those that did not fit in the socket.
func lost(s *queue.Stats) uint64 {
	return uint64(s.Kernel.QueueDropped) + max(uint64(s.Kernel.SocketDropped), s.Missed) +
		s.Overflowed + s.Expired + s.Damaged + s.Gone + s.Abandoned
}
