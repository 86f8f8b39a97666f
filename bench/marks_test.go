package main

import (
	"io"
	"math"
	"slices"
	"testing"
)

// seriesOf returns the series of a row with the given values of one unit, one for
// each round.
func seriesOf(sceneName, contenderName, unit string, list ...float64) series {
	s := series{row: row{scene{name: sceneName}, contender{name: contenderName}}}
	for _, x := range list {
		s.rounds = append(s.rounds, values{unit: x})
	}
	return s
}

func TestMarkMeasured(t *testing.T) {
	r := results{series: []series{
		seriesOf("udp-64", packets, packetRate, 90, 200, 330),
		seriesOf("udp-64", cMany, packetRate, 100, 100, 300),
		seriesOf("udp-64-drop", all, allocs, 0, 0.5, 0),
	}}
	for _, test := range []struct {
		mark    mark
		want    float64
		outcome string
	}{
		{mark{scene: "udp-64", contender: packets, against: cMany, unit: packetRate, limit: 1.1}, 1.1, "met"},
		{mark{scene: "udp-64", contender: packets, against: cMany, unit: packetRate, limit: 1.2}, 1.1, "**not met**"},
		{mark{scene: "udp-64", contender: packets, against: cMany, unit: packetRate, limit: 1, atMost: true}, 1.1, "**not met**"},
		{mark{scene: "udp-64-drop", contender: all, unit: allocs, limit: none, atMost: true}, 0, "met"},
		{mark{scene: "udp-64", contender: packets, against: cLibnfq, unit: packetRate, limit: 1}, math.NaN(), "not measured"},
	} {
		x := test.mark.measured(r.byName())
		if math.Abs(x-test.want) > 1e-9 || math.IsNaN(x) != math.IsNaN(test.want) {
			t.Errorf("%+v measured %v, want %v", test.mark, x, test.want)
		}
		if got := test.mark.outcome(x); got != test.outcome {
			t.Errorf("%+v has the outcome %q, want %q", test.mark, got, test.outcome)
		}
	}
}

// Each mark must be about a row that exists: others would silently never be measured.
func TestMarksNameRows(t *testing.T) {
	commands := make(map[string]command)
	for _, p := range peers {
		commands[p.name] = command{p.name}
	}
	o, err := parseOptions(nil, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range selectRows(scenes(o.sizes), contenders(o.consumers, commands), o.match) {
		names = append(names, r.name())
	}
	for _, m := range marks(o.sizes) {
		if name := m.scene + "/" + m.contender; !slices.Contains(names, name) {
			t.Errorf("mark %q is about %s, which is no row", m.about, name)
		}
		if name := m.scene + "/" + m.against; m.against != "" && !slices.Contains(names, name) {
			t.Errorf("mark %q is against %s, which is no row", m.about, name)
		}
		if !slices.Contains(units, m.unit) {
			t.Errorf("mark %q has the unit %q, which is not measured", m.about, m.unit)
		}
	}
}
