package main

import (
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
)

// A chart is horizontal bars in groups.
type chart struct {
	title  string
	note   string
	groups []group
	format func(float64) string
	// ownScale gives each group a scale of its own.
	ownScale bool
}

type group struct {
	name string
	bars []bar
}

// A bar is a median, and a line from the least to the greatest value.
type bar struct {
	label           string
	value, min, max float64
	ours            bool
}

func newBar(s series, unit string, scale float64) (bar, bool) {
	list := s.of(unit)
	if len(list) == 0 {
		return bar{}, false
	}
	return bar{
		label: s.row.contender.name,
		value: median(list) * scale, min: slices.Min(list) * scale, max: slices.Max(list) * scale,
		ours: s.row.contender.isOurs(),
	}, true
}

// charts returns the charts by file name.
func (r *results) charts() map[string]chart {
	micros := func(digits int) func(float64) string {
		return func(x float64) string { return plain(x, digits) }
	}
	return map[string]chart{
		"throughput.svg": {title: "Packets per second", note: "more is better", groups: r.floodGroups(packetRate, 1), format: thousands},
		"cpu.svg":        {title: "CPU per packet, µs", note: "less is better", groups: r.floodGroups(cpuTime, 1e-3), format: micros(2)},
		"latency.svg":    {title: "Latency, one packet at a time, µs", note: "less is better", groups: r.latencyGroups(), format: micros(0), ownScale: true},
	}
}

// floodGroups is a group of bars for each size of accepted packets.
func (r *results) floodGroups(unit string, scale float64) []group {
	var groups []group
	for _, size := range r.sizes {
		name := fmt.Sprintf("UDP, %d bytes", size)
		groups = append(groups, newGroup(name, r.inScene(floodName(size)), unit, scale))
	}
	return groups
}

func (r *results) latencyGroups() []group {
	list := r.inScene("latency")
	return []group{
		newGroup("median", list, p50, 1e-3),
		newGroup("99th percentile", list, p99, 1e-3),
		newGroup("99.9th percentile", list, p999, 1e-3),
	}
}

func newGroup(name string, list []series, unit string, scale float64) group {
	g := group{name: name}
	for _, s := range list {
		if b, ok := newBar(s, unit, scale); ok {
			g.bars = append(g.bars, b)
		}
	}
	return g
}

// Measures of a drawing, in pixels.
const (
	drawingWidth = 760
	barsLeft     = 150
	barsWidth    = 490
	barHeight    = 16
	barStep      = 22
	groupStep    = 34
	headHeight   = 52
)

const style = `<style>
text{font:13px system-ui,sans-serif;fill:#1f2328}
.title{font-size:16px;font-weight:600}.note{fill:#59636e}.group{font-weight:600}
.label{text-anchor:end}.ours{fill:#0969da}.other{fill:#9aa4b0}.range{stroke:#1f2328;stroke-width:1.2}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.note{fill:#9198a1}.ours{fill:#4493f8}.other{fill:#6e7681}.range{stroke:#e6edf3}}
</style>
`

// svg draws the chart.
func (c chart) svg() string {
	var b strings.Builder
	y := headHeight
	for _, g := range c.groups {
		if len(g.bars) > 0 {
			y = c.drawGroup(&b, g, y)
		}
	}
	return fmt.Sprintf("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%[1]d\" height=\"%[2]d\" role=\"img\" aria-label=\"%s\">\n",
		drawingWidth, y, html.EscapeString(c.title)) +
		style + label("title", 12, 24, c.title) + label("note", 12, 42, "this library in blue; "+c.note+"; lines show the range of the rounds") +
		b.String() + "</svg>\n"
}

// drawGroup returns where the next group starts.
func (c chart) drawGroup(b *strings.Builder, g group, y int) int {
	b.WriteString(label("group", 12, y+16, g.name))
	y += groupStep - barStep/2
	full := c.scale(g)
	for _, bar := range g.bars {
		c.drawBar(b, bar, y, barsWidth/full)
		y += barStep
	}
	return y + barStep/2
}

// scale is the value that is as long as can be.
func (c chart) scale(g group) float64 {
	groups := c.groups
	if c.ownScale {
		groups = []group{g}
	}
	longest := math.SmallestNonzeroFloat64
	for _, g := range groups {
		for _, b := range g.bars {
			longest = max(longest, b.max)
		}
	}
	return longest
}

func (c chart) drawBar(b *strings.Builder, bar bar, y int, perUnit float64) {
	class := "other"
	if bar.ours {
		class = "ours"
	}
	x := func(v float64) float64 { return barsLeft + v*perUnit }
	middle := y + barHeight/2
	b.WriteString(label("label", barsLeft-8, y+13, bar.label))
	fmt.Fprintf(b, "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\"/>\n", class, barsLeft, y, bar.value*perUnit, barHeight)
	fmt.Fprintf(b, "<line class=\"range\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%[3]d\"/>\n", x(bar.min), x(bar.max), middle)
	b.WriteString(label("value", int(x(bar.max))+6, y+13, c.format(bar.value)))
}

func label(class string, x, y int, text string) string {
	return fmt.Sprintf("<text class=\"%s\" x=\"%d\" y=\"%d\">%s</text>\n", class, x, y, html.EscapeString(text))
}
