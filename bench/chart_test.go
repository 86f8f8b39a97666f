package main

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestChartIsXML(t *testing.T) {
	for name, c := range testResults().charts() {
		d := xml.NewDecoder(strings.NewReader(c.svg()))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v:\n%s", name, err, c.svg())
			}
		}
	}
}

func TestChartDraws(t *testing.T) {
	c := chart{
		title:  "a < b",
		groups: []group{{name: "none"}, {name: "one", bars: []bar{{"x", 50, 40, 100, true}, {"y", 100, 100, 100, false}}}},
		format: thousands,
	}
	svg := c.svg()
	for _, want := range []string{
		"a &lt; b",
		`<rect class="ours" x="170" y="75" width="235.0" height="16"/>`,
		`<line class="range" x1="358.0" x2="640.0" y1="83" y2="83"/>`,
		`<rect class="other" x="170" y="97" width="470.0" height="16"/>`,
	} {
		if !strings.Contains(svg, want) {
			t.Errorf("the drawing lacks %q:\n%s", want, svg)
		}
	}
	if strings.Contains(svg, "none") {
		t.Errorf("the drawing has a group without bars:\n%s", svg)
	}
}

// The summary shows only contenders that have a label, and each group has its own
// format.
func TestSummaryChart(t *testing.T) {
	r := testResults()
	other := seriesOf("udp-64", packetsEach, packetRate, 100000)
	latency := seriesOf("latency", all, p50, 12345)
	r.series = append(r.series, other, latency)
	svg := r.charts()["summary.svg"].svg()
	for _, want := range []string{
		">ipqueue Packets<", ">110\u00a0000<", // packets per second
		">C many verdicts<",
		">4.00<",                // CPU
		">ipqueue All<", ">12<", // latency
		">this library in blue; lines show",
	} {
		if !strings.Contains(svg, want) {
			t.Errorf("the drawing lacks %q:\n%s", want, svg)
		}
	}
	if strings.Contains(svg, packetsEach) {
		t.Errorf("the drawing has contenders without a label:\n%s", svg)
	}
}

func TestChartScale(t *testing.T) {
	small, large := group{bars: []bar{{max: 2}}}, group{bars: []bar{{max: 10}}}
	c := chart{groups: []group{small, large}}
	if got := c.scale(small); got != 10 {
		t.Errorf("scale is %v, want 10", got)
	}
	c.ownScale = true
	if got := c.scale(small); got != 2 {
		t.Errorf("own scale is %v, want 2", got)
	}
}
