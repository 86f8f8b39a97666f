package main

import (
	"fmt"
	"strings"
	"time"
)

// View shows the model, as many lines and columns of it as the screen has.
func (m model) View() string {
	lines := m.head()
	for _, block := range [][]line{m.rates(), m.grid(outcomes, plain), m.grid(losses, bad)} {
		if len(block) > 0 {
			lines = append(append(lines, line{}), block...)
		}
	}
	lines = append(lines, line{})
	lines = append(lines, m.flows(m.height-len(lines))...)
	var shown []string
	for _, l := range lines[:min(len(lines), m.height)] {
		shown = append(shown, m.look.render(l, m.width))
	}
	return strings.Join(shown, "\n")
}

func (m model) head() []line {
	var l line
	l.add(strong, "%s", m.title)
	l.add(plain, "  for %v", m.now.at.Sub(m.begin).Round(time.Second))
	const keys = "q quits"
	if gap := m.width - l.width() - len(keys); gap >= 2 {
		l.add(plain, "%*s", gap, "")
		l.add(faint, keys)
	}
	return []line{l}
}

// rates shows what happens now, and the history beside it.
func (m model) rates() []line {
	s := &m.now.stats
	losing := bad
	if m.lostRate() == 0 {
		losing = faint
	}
	lostBefore := bad
	if peak(m.past.lost) == 0 {
		lostBefore = faint
	}
	lines := []line{
		m.trend("Packets", si(m.packetRate(), "/s"), m.past.packets, strong, good),
		m.trend("Traffic", si(m.bitRate(), "bit/s"), m.past.bits, strong, good),
		m.trend("Lost", si(m.lostRate(), "/s"), m.past.lost, losing, lostBefore),
	}
	var l line
	l.add(plain, "%-9s", "Undecided")
	l.add(strong, "%12d", s.Undecided)
	if s.Undecided > 0 {
		l.add(plain, ", oldest %v", s.OldestUndecided.Round(time.Microsecond))
	}
	lines = append(lines, l, m.channel())
	return append(lines, m.kernel()...)
}

// trend is a rate with its history.
func (m model) trend(name, now string, past []float64, text, picture style) (l line) {
	l.add(plain, "%-9s", name)
	l.add(text, "%12s", now)
	most := ""
	if m.width >= 70 && len(past) > 0 {
		most = fmt.Sprintf("  max %-7s", si(peak(past), ""))
	}
	if width := min(m.width-l.width()-2-len(most), remembered); width > 0 {
		l.add(plain, "  ")
		l.add(picture, "%s", m.look.spark(past, width))
		l.add(faint, "%s", most)
	}
	return l
}

func (m model) channel() (l line) {
	l.add(plain, "%-9s", "Channel")
	l.add(plain, "%12s", fmt.Sprintf("%d of %d", m.now.waiting, m.now.room))
	if m.now.room > 0 {
		part := float64(m.now.waiting) / float64(m.now.room)
		full := good
		if part > 0.9 {
			full = bad
		}
		l.add(plain, "  ")
		used, rest := m.look.bar(part, max(0, min(20, m.width-l.width())))
		l.add(full, "%s", used)
		l.add(faint, "%s", rest)
	}
	return l
}

func (m model) kernel() []line {
	k := m.now.stats.Kernel
	if k.Err != nil {
		return []line{{{"Kernel   " + strings.ReplaceAll(k.Err.Error(), "\n", " "), bad}}}
	}
	items := []string{
		fmt.Sprintf("%d pending", k.Pending), fmt.Sprintf("last id %d", k.LastID),
		"read buffer " + si(float64(m.now.stats.ReadBuffer), "B"),
	}
	text := "Kernel   "
	var lines []line
	for i, item := range items {
		if i > 0 {
			item = ", " + item
		}
		if i > 0 && len(text)+len(item)+1 > m.width {
			lines, text, item = append(lines, line{{text + ",", faint}}), "         ", item[2:]
		}
		text += item
	}
	return append(lines, line{{text, faint}})
}

// grid shows the counters that are not 0 and their rates, in as many columns as
// there is room for.
func (m model) grid(counters []counter, s style) (lines []line) {
	const cell = "%-16s %8s  %-10s"
	const width = 16 + 1 + 8 + 2 + 10
	columns := max(1, (m.width+3)/(width+3))
	n := 0
	for _, c := range counters {
		before, now := c.value(&m.before.stats), c.value(&m.now.stats)
		if now == 0 {
			continue
		}
		if n%columns == 0 {
			lines = append(lines, nil)
		} else {
			lines[len(lines)-1].add(plain, "   ")
		}
		n++
		rate, look := "", s
		if r := m.rate(before, now); r > 0 {
			rate = si(r, "/s")
		} else if s == plain {
			look = faint
		}
		lines[len(lines)-1].add(look, cell, c.name, short(now), rate)
	}
	return lines
}

// flows shows as many as there are lines for.
func (m model) flows(lines int) []line {
	share := 0 // width of the bar
	if m.width >= 70 {
		share = min((m.width-32)/8, 20) // at 80 columns the longest IPv6 address and port fit
	}
	var all count
	rest := m.now.others
	all.packets, all.bytes = rest.packets, rest.bytes
	for _, t := range m.now.talkers {
		all.packets += t.packets
		all.bytes += t.bytes
	}
	row := func(s style, packets, bits, bar, name string) []line {
		var l line
		if m.width >= 50 {
			l.add(s, "%8s  ", packets)
		}
		l.add(s, "%8s  ", bits)
		if share > 0 {
			l.add(good, "%-*s  ", share, bar)
		}
		return m.name(l, s, name)
	}
	one := func(name string, c count) []line {
		bar := ""
		if all.bytes > 0 {
			bar = m.look.part(float64(c.bytes)/float64(all.bytes), share)
		}
		return row(plain, si(m.rate(0, c.packets), ""), si(8*m.rate(0, c.bytes), ""), bar, name)
	}
	shown := row(faint, "pkt/s", "bit/s", "", "flow")
	rows := make([][]line, len(m.now.talkers))
	fits := len(shown)
	for i, t := range m.now.talkers {
		rows[i] = one(t.flow.String(), t.count)
		fits += len(rows[i])
	}
	if fits > lines || rest.packets > 0 {
		lines-- // for all others
	}
	for i, t := range m.now.talkers {
		if rest.packets == m.now.others.packets && len(shown)+len(rows[i]) <= lines {
			shown = append(shown, rows[i]...)
			continue
		}
		rest.packets += t.packets
		rest.bytes += t.bytes
	}
	if rest.packets > 0 {
		shown = append(shown, one("all others", rest)...)
	}
	return shown
}

// name adds the name of a flow to the line. If there is no room for both ends
// of the flow, the second one is on a line of its own.
func (m model) name(l line, s style, name string) []line {
	left := l.width()
	source, destination, two := strings.Cut(name, " > ")
	if !two || left+len(name) <= m.width {
		l.add(s, "%s", name)
		return []line{l}
	}
	l.add(s, "%s", source)
	var second line
	second.add(s, "%*s  > %s", left, "", destination)
	return []line{l, second}
}
