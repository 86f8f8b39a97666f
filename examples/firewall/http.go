package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/ipqueue/ipqueue/queue"
)

// silence is how long the loop may not run before the firewall counts as
// hanging. It runs at least once per second.
const silence = 10 * time.Second

// listen serves the health and the metrics of the firewall until the result is
// closed. It does nothing if address is empty.
func listen(address string, f *firewall) (io.Closer, error) {
	if address == "" {
		return io.NopCloser(nil), nil
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("-listen: %w", err)
	}
	f.alive.Store(time.Now().UnixNano())
	server := &http.Server{Handler: f.handler(), ReadTimeout: silence, WriteTimeout: silence}
	go server.Serve(listener) // it returns when it is closed
	return server, nil
}

func (f *firewall) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "firewall: %v\n\n/healthz  whether packets are decided\n/metrics  for Prometheus\n", &f.counts)
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if since := time.Since(time.Unix(0, f.alive.Load())); f.queue.Load() == nil || since > silence {
			http.Error(w, fmt.Sprintf("the loop has not run for %v", since.Round(time.Second)), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		f.metrics(w)
	})
	return mux
}

// metrics writes in the text format of Prometheus.
func (f *firewall) metrics(w io.Writer) {
	var s queue.Stats
	if q := f.queue.Load(); q != nil {
		s = q.Stats()
	}
	family := func(name, kind, help string) { fmt.Fprintf(w, "# HELP %s %s\n# TYPE %[1]s %[3]s\n", name, help, kind) }
	single := func(name, kind, help string, value any) {
		family(name, kind, help)
		fmt.Fprintf(w, "%s %v\n", name, value)
	}
	family("firewall_packets_total", "counter", "Packets decided by the policy.")
	fmt.Fprintf(w, "firewall_packets_total{action=\"accept\"} %d\n", f.counts.accepted.Load())
	fmt.Fprintf(w, "firewall_packets_total{action=\"drop\"} %d\n", f.counts.dropped.Load())
	fmt.Fprintf(w, "firewall_packets_total{action=\"reject\"} %d\n", f.counts.rejected.Load())
	family("firewall_lost_packets_total", "counter", "Packets lost before the policy saw them, by the buffer that was full.")
	fmt.Fprintf(w, "firewall_lost_packets_total{full=\"queue\"} %d\n", s.Kernel.QueueDropped)
	fmt.Fprintf(w, "firewall_lost_packets_total{full=\"socket\"} %d\n", s.Kernel.SocketDropped)
	single("firewall_undecided_packets", "gauge", "Packets that wait for their verdict.", s.Undecided)
	single("firewall_refused_verdicts_total", "counter", "Verdicts that the kernel refused.", s.Refused)
	single("firewall_policy_rules", "gauge", "Rules of the policy in force.", f.counts.rules.Load())
	single("firewall_policy_mistakes_total", "counter", "Changed policies that were not taken because of a mistake.", f.counts.mistakes.Load())
}
