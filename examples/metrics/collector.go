package main

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ipqueue/ipqueue/queue"
)

// A Collector collects the statistics of a queue. They are read once for each
// collection and not at all in between.
type Collector struct {
	stats   func() queue.Stats
	metrics []metric
	present *prometheus.Desc // whether the kernel's row could be read
}

// NewCollector returns a collector of what stats returns, the method of a Queue
// say, with the label queue that tells several queues apart.
func NewCollector(stats func() queue.Stats, number uint16) *Collector {
	labels := prometheus.Labels{"queue": strconv.Itoa(int(number))}
	c := &Collector{stats: stats}
	for _, f := range fields() {
		c.metrics = append(c.metrics, metric{f, describe(f.name, f.help, labels)})
	}
	c.present = describe("kernel_up", "Whether the kernel's own row about the queue could be read. "+
		"Without it the other kernel metrics are missing.", labels)
	return c
}

func describe(name, help string, labels prometheus.Labels) *prometheus.Desc {
	return prometheus.NewDesc("ipqueue_"+name, help, nil, labels)
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(to chan<- *prometheus.Desc) {
	for _, m := range c.metrics {
		to <- m.desc
	}
	to <- c.present
}

// Collect implements prometheus.Collector. It may be called concurrently.
func (c *Collector) Collect(to chan<- prometheus.Metric) {
	s := c.stats()
	present := s.Kernel.Err == nil
	for _, m := range c.metrics {
		if present || !m.kernel {
			to <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(&s))
		}
	}
	to <- prometheus.MustNewConstMetric(c.present, prometheus.GaugeValue, boolean(present))
}

func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// A metric is a field with its description.
type metric struct {
	field
	desc *prometheus.Desc
}
