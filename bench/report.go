package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// writeReport writes the results as Markdown. With charts, it refers to the files
// of the charts in the same directory.
func (r *results) writeReport(w io.Writer, charts bool) error {
	var b strings.Builder
	b.WriteString("# Benchmark\n\n")
	r.reportFacts(&b)
	r.reportFailures(&b)
	if charts {
		b.WriteString("![packets per second](throughput.svg)\n![CPU per packet](cpu.svg)\n![latency](latency.svg)\n\n")
	}
	for _, s := range r.scenesFound() {
		r.reportScene(&b, s)
	}
	r.reportContenders(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *results) reportFacts(b *strings.Builder) {
	for _, f := range append(r.machine.facts, r.settings...) {
		fmt.Fprintf(b, "- %s: %s\n", f.name, f.value)
	}
	for _, err := range r.leftOut {
		fmt.Fprintf(b, "- left out: %v\n", err)
	}
	b.WriteString("\nAll numbers are medians of the rounds; ratios are medians of the ratios within each round. " +
		"± is half of the range of the rounds. " +
		"CPU µs, allocs and bytes are per packet. A table has columns for lost packets only if some were lost. " +
		"CPU is the time of the consumer process alone. It includes the kernel's work on a packet after the verdict. The kernel splits it into user and system by timer ticks. " +
		"Every measurement was checked: the consumer counted the packets that the kernel numbered, and left none undecided.\n\n")
}

func (r *results) reportFailures(b *strings.Builder) {
	if len(r.failures) == 0 {
		return
	}
	b.WriteString("## Failed\n\n")
	for _, f := range r.failures {
		fmt.Fprintf(b, "- %s, round %d: %v\n", f.row.name(), f.round, f.err)
	}
	b.WriteString("\n")
}

// writeMarks writes a table of the goals and the measured values, for commit
// messages that claim an improvement.
func (r *results) writeMarks(w io.Writer) error {
	found := r.byName()
	t := table{heads: []string{"mark", "load", "measured", "wanted", ""}, left: 2}
	for _, m := range marks(r.sizes) {
		if _, ok := found[m.scene+"/"+m.contender]; !ok {
			continue // not selected
		}
		x := m.measured(found)
		t.add(m.about, m.scene, plain(x, 2), m.wanted(), m.outcome(x))
	}
	_, err := io.WriteString(w, t.String())
	return err
}

// A column shows the values of one unit.
type column struct {
	head   string
	unit   string
	scale  float64
	digits int
	total  bool // show the sum of all rounds instead of the median
}

var columns = []column{
	{"Gbit/s", bitRate, 1, 2, false},
	{"p50 µs", p50, 1e-3, 1, false},
	{"p99 µs", p99, 1e-3, 1, false},
	{"p99.9 µs", p999, 1e-3, 1, false},
	{"CPU µs", cpuTime, 1e-3, 2, false},
	{"user", userTime, 1e-3, 2, false},
	{"system", systemTime, 1e-3, 2, false},
	{"CPU %", cpuBusy, 1, 0, false},
	{"allocs", allocs, 1, 2, false},
	{"bytes", allocBytes, 1, 0, false},
	{"peak MiB", memory, 1.0 / (1 << 20), 1, false},
	{"lost: queue full", queueFull, 1, 0, true},
	{"socket full", socketFull, 1, 0, true},
	{"too late", tooLate, 1, 0, true},
}

func (c column) of(s series) string {
	list := s.of(c.unit)
	if len(list) == 0 {
		return ""
	}
	if c.total {
		return plain(sum(list)*c.scale, c.digits)
	}
	return plain(median(list)*c.scale, c.digits)
}

// shows reports whether the column is not empty for s: it has a value, or packets
// were lost.
func (c column) shows(s series) bool {
	if c.total {
		return sum(s.of(c.unit)) > 0
	}
	return len(s.of(c.unit)) > 0
}

func (r *results) reportScene(b *strings.Builder, s scene) {
	fmt.Fprintf(b, "## %s\n\n%s.\n\n", s.name, strings.ToUpper(s.about[:1])+s.about[1:])
	list := r.inScene(s.name)
	shown := slices.DeleteFunc(slices.Clone(columns), func(c column) bool {
		return !slices.ContainsFunc(list, c.shows)
	})
	t := table{heads: []string{"consumer", "packets/s", "±"}, left: 1}
	for _, c := range shown {
		t.heads = append(t.heads, c.head)
	}
	for _, s := range list {
		rates := s.of(packetRate)
		cells := []string{s.row.contender.name, thousands(median(rates)), percent(spread(rates))}
		for _, c := range shown {
			cells = append(cells, c.of(s))
		}
		t.add(cells...)
	}
	b.WriteString(t.String() + "\n")
}

func (r *results) reportContenders(b *strings.Builder) {
	b.WriteString("## Consumers\n\n")
	var told []string
	for _, s := range r.series {
		c := s.row.contender
		if !slices.Contains(told, c.name) {
			told = append(told, c.name)
			fmt.Fprintf(b, "- `%s`: %s\n", c.name, c.about)
		}
	}
}

// A table is a table in Markdown. The first left columns are left-aligned, the
// others right-aligned.
type table struct {
	heads []string
	left  int
	rows  [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) String() string {
	rules := make([]string, len(t.heads))
	for i := range rules {
		rules[i] = "---:"
		if i < t.left {
			rules[i] = "---"
		}
	}
	var b strings.Builder
	for _, cells := range slices.Concat([][]string{t.heads, rules}, t.rows) {
		b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
	}
	return b.String()
}

// spread returns half of the range of the values, relative to their median.
func spread(list []float64) float64 {
	if len(list) == 0 {
		return math.NaN()
	}
	return (slices.Max(list) - slices.Min(list)) / 2 / median(list)
}

// plain formats x with the given number of digits after the decimal point, and NaN
// as a dash.
func plain(x float64, digits int) string {
	if math.IsNaN(x) {
		return "–"
	}
	return fmt.Sprintf("%.*f", digits, x)
}

func percent(x float64) string {
	if math.IsNaN(x) {
		return "–"
	}
	return fmt.Sprintf("%.0f\u00a0%%", 100*x)
}

// thousands formats x as an integer with no-break spaces between groups of three
// digits.
func thousands(x float64) string {
	digits := plain(x, 0)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "\u00a0" + digits[i:]
	}
	return digits
}
