package main

import (
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
)

// A chart consists of groups of horizontal bars.
type chart struct {
	title  string
	note   string
	groups []group
	format func(float64) string
	// ownScale gives each group its own scale.
	ownScale bool
}

type group struct {
	name   string
	bars   []bar
	format func(float64) string // nil means that of the chart
}

// A bar shows a median, and a line from the lowest to the highest value.
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

// charts returns the charts, indexed by file name.
func (r *results) charts() map[string]chart {
	return map[string]chart{
		"summary.svg":    {title: "ipqueue, go-nfqueue and C", groups: r.summaryGroups(), ownScale: true},
		"throughput.svg": {title: "Packets per second", note: "more is better", groups: r.floodGroups(packetRate, 1), format: thousands},
		"cpu.svg":        {title: "CPU per packet, µs", note: "less is better", groups: r.floodGroups(cpuTime, 1e-3), format: digits(2)},
		"latency.svg":    {title: "Latency, one packet at a time, µs", note: "less is better", groups: r.latencyGroups(), format: digits(0), ownScale: true},
	}
}

// digits returns a format with n digits after the decimal point.
func digits(n int) func(float64) string {
	return func(x float64) string { return plain(x, n) }
}

// summaryLabels contains the contenders that the summary shows, with names for
// readers who do not know those of the report.
var summaryLabels = map[string]string{
	packets:           "ipqueue Packets",
	all:               "ipqueue All",
	goNFQueueCallback: "go-nfqueue",
	cLibnfq:           "C libnetfilter_queue",
	cMany:             "C many verdicts",
	cBatch:            "C batch verdicts",
}

// summaryGroups returns a group of bars for each of three quantities.
func (r *results) summaryGroups() []group {
	size := r.sizes[0]
	flood, latency := r.inScene(floodName(size)), r.inScene("latency")
	udp := fmt.Sprintf(", UDP, %d bytes", size)
	groups := []group{
		newGroup("Packets per second"+udp+" (more is better)", flood, packetRate, 1),
		newGroup("CPU per packet, µs"+udp+" (less is better)", flood, cpuTime, 1e-3),
		newGroup("Latency, one packet at a time, median, µs (less is better)", latency, p50, 1e-3),
	}
	groups[0].format, groups[1].format, groups[2].format = thousands, digits(2), digits(0)
	for i := range groups {
		bars := groups[i].bars[:0]
		for _, b := range groups[i].bars {
			if name, ok := summaryLabels[b.label]; ok {
				b.label = name
				bars = append(bars, b)
			}
		}
		groups[i].bars = bars
	}
	return groups
}

// floodGroups returns a group of bars for each size of accepted packets.
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

// Dimensions of a drawing, in pixels.
const (
	drawingWidth = 760
	barsLeft     = 170
	barsWidth    = 470
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

// svg returns the chart as an SVG document.
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
		style + label("title", 12, 24, c.title) + label("note", 12, 42, c.legend()) + b.String() + "</svg>\n"
}

func (c chart) legend() string {
	parts := []string{"this library in blue", "lines show the range of the rounds"}
	if c.note != "" {
		parts = slices.Insert(parts, 1, c.note)
	}
	return strings.Join(parts, "; ")
}

// drawGroup draws a group at height y and returns the height at which the next
// group starts.
func (c chart) drawGroup(b *strings.Builder, g group, y int) int {
	b.WriteString(label("group", 12, y+16, g.name))
	y += groupStep - barStep/2
	full := c.scale(g)
	format := c.format
	if g.format != nil {
		format = g.format
	}
	for _, bar := range g.bars {
		drawBar(b, bar, format, y, barsWidth/full)
		y += barStep
	}
	return y + barStep/2
}

// scale returns the value to which the full width of the group corresponds.
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

func drawBar(b *strings.Builder, bar bar, format func(float64) string, y int, perUnit float64) {
	class := "other"
	if bar.ours {
		class = "ours"
	}
	x := func(v float64) float64 { return barsLeft + v*perUnit }
	middle := y + barHeight/2
	b.WriteString(label("label", barsLeft-8, y+13, bar.label))
	fmt.Fprintf(b, "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\"/>\n", class, barsLeft, y, bar.value*perUnit, barHeight)
	fmt.Fprintf(b, "<line class=\"range\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%[3]d\"/>\n", x(bar.min), x(bar.max), middle)
	b.WriteString(label("value", int(x(bar.max))+6, y+13, format(bar.value)))
}

func label(class string, x, y int, text string) string {
	return fmt.Sprintf("<text class=\"%s\" x=\"%d\" y=\"%d\">%s</text>\n", class, x, y, html.EscapeString(text))
}
