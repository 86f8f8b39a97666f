package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// results contains everything that a run has measured.
type results struct {
	machine  machine
	settings []fact
	sizes    []int
	series   []series // in the order of the rows
	leftOut  []error  // reasons why something could not be measured
	failures []failure
}

// A failure is a measurement of a row that failed.
type failure struct {
	row   row
	round int // from 1
	err   error
}

// A fact is a line at the beginning of the results.
type fact struct{ name, value string }

// A machine describes the machine, the time and the version of the source.
type machine struct {
	date   time.Time
	commit string
	facts  []fact
}

// byName returns the series, indexed by the names of their rows.
func (r *results) byName() map[string]series {
	found := make(map[string]series, len(r.series))
	for _, s := range r.series {
		found[s.row.name()] = s
	}
	return found
}

// inScene returns the series of one scene.
func (r *results) inScene(name string) []series {
	var list []series
	for _, s := range r.series {
		if s.row.scene.name == name {
			list = append(list, s)
		}
	}
	return list
}

// scenesFound returns the scenes of the rows, in order.
func (r *results) scenesFound() []scene {
	var list []scene
	for _, s := range r.series {
		if len(list) == 0 || list[len(list)-1].name != s.row.scene.name {
			list = append(list, s.row.scene)
		}
	}
	return list
}

// writeRaw writes each measurement as a line of Go's benchmark format, which
// benchstat reads.
func (r *results) writeRaw(w io.Writer) error {
	var b strings.Builder
	for _, f := range append(r.machine.facts, r.settings...) {
		fmt.Fprintf(&b, "%s: %s\n", f.name, f.value)
	}
	for _, s := range r.series {
		for _, v := range s.rounds {
			if v != nil {
				b.WriteString(rawLine(s.row, v))
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func rawLine(r row, v values) string {
	line := fmt.Sprintf("BenchmarkQueue/load=%s/consumer=%s\t%.0f", r.scene.name, r.contender.name, v[packetCount])
	for _, unit := range units {
		if x, ok := v[unit]; ok {
			line += fmt.Sprintf("\t%.6g %s", x, unit)
		}
	}
	return line + "\n"
}
