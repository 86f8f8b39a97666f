package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/ipqueue/ipqueue/queue"
)

// View shows the model, as many lines and columns of it as the screen has.
func (m model) View() string {
	lines := append(m.head(), m.counters()...)
	lines = append(lines, m.flows(m.height-len(lines))...)
	lines = lines[:min(len(lines), m.height)]
	for i, line := range lines {
		lines[i] = cut(line, m.width)
	}
	return strings.Join(lines, "\n")
}

// cut shortens a line to the width. All characters are one column wide.
func cut(line string, width int) string {
	characters := []rune(line)
	return strings.TrimRight(string(characters[:min(len(characters), width)]), " ")
}

// seconds is the time between the samples.
func (m model) seconds() float64 { return m.now.at.Sub(m.before.at).Seconds() }

// rate is how much more of something there is each second.
func (m model) rate(before, now uint64) float64 {
	if m.seconds() <= 0 {
		return 0
	}
	return float64(now-before) / m.seconds()
}

func (m model) head() []string {
	s := m.now.stats
	packets := m.rate(m.before.stats.Received, s.Received)
	bits := 8 * m.rate(m.before.total.bytes, m.now.total.bytes)
	return []string{
		fmt.Sprintf("Queue %d, for %v; q quits", m.number, m.now.at.Sub(m.begin).Round(time.Second)),
		"",
		fmt.Sprintf("Rate       %s, %s", si(packets, "pkt/s"), si(bits, "bit/s")),
		fmt.Sprintf("Undecided  %d, the oldest for %v", s.Undecided, s.OldestUndecided.Round(time.Microsecond)),
		fmt.Sprintf("Channel    %d of %d  %s", m.now.waiting, m.now.room, bar(m.now.waiting, m.now.room, 20)),
		m.kernel(),
		"",
	}
}

func (m model) kernel() string {
	k := m.now.stats.Kernel
	if k.Err != nil {
		return "Kernel     " + strings.ReplaceAll(k.Err.Error(), "\n", " ")
	}
	return fmt.Sprintf("Kernel     Pending %d, LastID %d, ReadBuffer %s",
		k.Pending, k.LastID, si(float64(m.now.stats.ReadBuffer), "B"))
}

// A counter is a field of queue.Stats under its own name.
type counter struct {
	name  string
	value uint64
}

// counters are shown in groups: what became of packets, and what went wrong.
func (m model) counters() []string {
	s := &m.now.stats
	lines := table("Packets ",
		counter{"Received", s.Received}, counter{"Decided", s.Decided}, counter{"Accepted", s.Accepted},
		counter{"Dropped", s.Dropped}, counter{"Repeated", s.Repeated}, counter{"Stopped", s.Stopped},
		counter{"Requeued", s.Requeued}, counter{"Replaced", s.Replaced})
	return append(append(lines, table("Lost    ", losses(s)...)...), "")
}

// losses are all ways to lose a packet or its verdict, and the troubles short
// of that.
func losses(s *queue.Stats) []counter {
	return []counter{
		{"QueueDropped", uint64(s.Kernel.QueueDropped)}, {"SocketDropped", uint64(s.Kernel.SocketDropped)},
		{"Missed", s.Missed}, {"Overruns", s.Overruns}, {"Overflowed", s.Overflowed}, {"Expired", s.Expired},
		{"Damaged", s.Damaged}, {"Gone", s.Gone}, {"Abandoned", s.Abandoned}, {"Refused", s.Refused},
		{"Late", s.Late}, {"Malformed", s.Malformed}, {"Foreign", s.Foreign}, {"SendRetries", s.SendRetries},
		{"BuffersLeft", s.BuffersLeft},
	}
}

// table shows counters, three to a line.
func table(title string, counters ...counter) (lines []string) {
	for i, c := range counters {
		if i%3 == 0 {
			lines = append(lines, title)
			title = strings.Repeat(" ", len(title))
		}
		lines[len(lines)-1] += fmt.Sprintf("   %-13s %-7s", c.name, short(c.value))
	}
	return lines
}

// flows shows as many as there are lines for.
func (m model) flows(lines int) []string {
	const columns = "%8s  %8s  %s"
	shown := []string{fmt.Sprintf(columns, "pkt/s", "bit/s", "Flow")}
	add := func(name string, c count) {
		shown = append(shown, fmt.Sprintf(columns, si(m.rate(0, c.packets), ""), si(8*m.rate(0, c.bytes), ""), name))
	}
	rest := m.now.others
	for i, t := range m.now.talkers {
		if i < lines-2 { // one is the title, one the rest
			add(t.flow.String(), t.count)
			continue
		}
		rest.packets += t.packets
		rest.bytes += t.bytes
	}
	if rest.packets > 0 {
		add("all others", rest)
	}
	return shown
}

// bar shows how much of room is used.
func bar(used, room, width int) string {
	if room == 0 {
		return ""
	}
	full := (used*width + room - 1) / room
	return "[" + strings.Repeat("#", full) + strings.Repeat(".", width-full) + "]"
}

// short shows a number in seven characters, exactly if that is enough.
func short(n uint64) string {
	if n < 10_000_000 {
		return fmt.Sprint(n)
	}
	return si(float64(n), "")
}

// si shows three digits and the unit with its prefix.
func si(v float64, unit string) string {
	prefixes := []string{"", "k", "M", "G", "T", "P", "E"}
	i := 0
	for ; v >= 999.5 && i < len(prefixes)-1; i++ {
		v /= 1000
	}
	return strings.TrimRight(fmt.Sprintf("%.3g %s%s", v, prefixes[i], unit), " ")
}
