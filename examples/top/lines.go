package main

import (
	"fmt"
	"io"
	"time"
)

// printLines prints the model as a line for each interval, until the queue has
// ended.
func printLines(m model, w io.Writer, ended <-chan struct{}) error {
	ticker := time.NewTicker(m.interval)
	defer ticker.Stop()
	for i := 0; ; i++ {
		select {
		case <-ended:
			return nil
		case <-ticker.C:
		}
		m = m.next()
		text := m.line()
		if i%20 == 0 {
			text = columns + text
		}
		if _, err := io.WriteString(w, text); err != nil {
			return err
		}
	}
}

const columns = "time         packets/s       bit/s  accepted/s  undecided      lost/s     lost\n"

// line is the model in one line.
func (m model) line() string {
	return fmt.Sprintf("%s  %12s  %10s  %10s  %9d  %10s  %7s\n", m.now.at.Format("15:04:05"),
		si(m.packetRate(), ""), si(m.bitRate(), ""), si(m.rate(m.before.stats.Accepted, m.now.stats.Accepted), ""),
		m.now.stats.Undecided, si(m.lostRate(), ""), short(lost(&m.now.stats)))
}
