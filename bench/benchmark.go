package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// benchmark measures the rows that o selects. It fails if ctx ends meanwhile.
func benchmark(ctx context.Context, o options) (*results, error) {
	rows, leftOut, clean, err := prepareRows(o)
	if err != nil {
		return nil, err
	}
	defer clean()
	n, err := newNetwork()
	if err != nil {
		return nil, err
	}
	defer n.close()
	s, err := newStand(n.file, o.warmUp(), o.duration)
	if err != nil {
		return nil, err
	}
	r, err := newResults(o, s, rows, leftOut)
	if err != nil {
		return nil, err
	}
	if err := r.fill(ctx, s, o.rounds); err != nil {
		return nil, err
	}
	r.settings = append(r.settings, fact{"receive-buffer", fmt.Sprintf("%d bytes", s.readBuffer)})
	return r, nil
}

// prepareRows builds the peers and returns the selected rows. leftOut contains an
// error for each peer that could not be built. clean removes the programs.
func prepareRows(o options) (rows []row, leftOut []error, clean func(), err error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, nil, nil, err
	}
	clean = func() { os.RemoveAll(dir) }
	commands, leftOut := buildPeers(dir)
	rows = selectRows(scenes(o.sizes), contenders(o.consumers, commands), o.match)
	if len(rows) == 0 {
		clean()
		return nil, nil, nil, errors.New("no row has such a name; -list lists them")
	}
	return rows, leftOut, clean, nil
}

func listRows(w io.Writer, o options) error {
	rows, leftOut, clean, err := prepareRows(o)
	if err != nil {
		return err
	}
	defer clean()
	for _, r := range rows {
		fmt.Fprintf(w, "%-26s %s; %s\n", r.name(), r.scene.about, r.contender.about)
	}
	for _, err := range leftOut {
		fmt.Fprintln(w, "left out:", err)
	}
	return nil
}

func newResults(o options, s *stand, rows []row, leftOut []error) (*results, error) {
	m, err := thisMachine()
	if err != nil {
		return nil, err
	}
	r := &results{machine: m, sizes: o.sizes, leftOut: leftOut}
	r.settings = []fact{
		{"rounds", fmt.Sprintf("%d of %v, after %v", o.rounds, o.duration, o.warmUp())},
		{"processors", fmt.Sprintf("consumers on %d, generators on %d; in the free scenes all on any", s.cpus[0], s.cpus[len(s.cpus)-1])},
		{"queue-length", fmt.Sprint(queueLength)},
	}
	if s.sharesCPU() {
		r.leftOut = append(r.leftOut, errors.New("a processor for the generators alone: consumers and generators share one"))
	}
	for _, row := range rows {
		r.series = append(r.series, series{row: row, rounds: make([]values, o.rounds)})
	}
	return r, nil
}

// fill measures all rows in each round. The rows of a scene are measured one
// after the other; each round begins with another of them.
func (r *results) fill(ctx context.Context, s *stand, rounds int) error {
	p := progress{total: rounds * len(r.series), start: time.Now()}
	for round := range rounds {
		for _, i := range r.order(round) {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			row := r.series[i].row
			v, err := s.measure(row)
			if err != nil {
				r.failures = append(r.failures, failure{row, round + 1, err})
			}
			r.series[i].rounds[round] = v
			p.tell(round+1, row, v, err)
		}
	}
	return nil
}

// order returns the indices of the series for one round.
func (r *results) order(round int) []int {
	var order []int
	for start := 0; start < len(r.series); {
		end := start + len(r.inScene(r.series[start].row.scene.name))
		n := end - start
		for i := range n {
			order = append(order, start+(i+round)%n)
		}
		start = end
	}
	return order
}

// progress prints each measurement and the estimated time left.
type progress struct {
	done, total int
	start       time.Time
}

func (p *progress) tell(round int, r row, v values, err error) {
	p.done++
	took := time.Since(p.start)
	left := took / time.Duration(p.done) * time.Duration(p.total-p.done)
	what := fmt.Sprintf("%9s packets/s %7.2f µs CPU", thousands(v[packetRate]), v[cpuTime]/1e3)
	if err != nil {
		what = "failed: " + err.Error()
	}
	fmt.Fprintf(os.Stderr, "%4d/%d, %v left: round %d, %-26s %s\n", p.done, p.total, left.Round(time.Second), round, r.name(), what)
}

// publish writes the report to w and, unless dir is "", all files into dir. A run
// overwrites the charts and the report of the last one, but not its raw results.
func (r *results) publish(w io.Writer, dir string) error {
	if err := r.writeReport(w, false); err != nil || dir == "" {
		return err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	raw := fmt.Sprintf("%s-%s.txt", r.machine.date.Format(time.DateOnly), r.machine.commit)
	err := errors.Join(
		writeFile(dir, raw, func(f *os.File) error { return r.writeRaw(f) }),
		writeFile(dir, "report.md", func(f *os.File) error { return r.writeReport(f, true) }))
	for name, c := range r.charts() {
		err = errors.Join(err, writeFile(dir, name, func(f *os.File) error {
			_, err := f.WriteString(c.svg())
			return err
		}))
	}
	return err
}

func writeFile(dir, name string, write func(*os.File) error) error {
	f, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}
