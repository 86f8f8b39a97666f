// Metrics accepts every packet of a queue and exports the queue's counters to
// Prometheus. It needs root, and a rule that sends packets to the queue:
//
//	iptables -I FORWARD -j NFQUEUE --queue-num 0 --queue-bypass
//	nft add rule inet filter forward queue num 0 bypass
//
//	cd examples/metrics && go run .      # it is a separate module
//	curl http://127.0.0.1:9763/metrics
//
// A program of your own needs only the type Collector. It reads Stats when
// Prometheus asks for the metrics, and costs nothing for each packet. The file
// dashboard.json is a dashboard for Grafana (Dashboards, New, Import), and
// alerts.yml contains alert rules for Prometheus (rule_files in its
// configuration).
//
// Ctrl-C or SIGTERM ends the program.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/ipqueue/ipqueue/examples/internal/cli"
	"github.com/ipqueue/ipqueue/examples/internal/lines"
	"github.com/ipqueue/ipqueue/examples/internal/numbers"
	"github.com/ipqueue/ipqueue/queue"
)

var program = cli.Program{Name: "metrics", About: "Metrics accepts every packet of a queue and serves its counters to Prometheus."}

func main() {
	number, listen, err := parse(os.Args[1:], os.Stdout)
	if err == nil {
		err = run(number, listen)
	}
	program.Exit(err)
}

func complain(err error) { fmt.Fprintln(os.Stderr, "metrics:", err) }

// run accepts packets until a signal ends it.
func run(number uint16, listen string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return fmt.Errorf("-listen: %w", err)
	}
	defer listener.Close()
	q, err := queue.Open(ctx, queue.Config{Number: number, TrackAge: true})
	if err != nil {
		return err
	}
	defer q.Close()
	server := newServer(NewCollector(q.Stats, number), number)
	defer server.Close()
	go serve(server, listener)
	out := lines.New(os.Stdout)
	out.Printf("metrics: queue %d, http://%v/metrics\n", number, listener.Addr())
	for p := range q.Packets() {
		// An error would say that the packet has gone, which Stats counts.
		_ = p.Accept()
	}
	return errors.Join(q.Err(), out.Close())
}

// newServer returns what answers Prometheus, and a person at the address above.
// A client that asks slowly is cut off.
func newServer(queue prometheus.Collector, number uint16) *http.Server {
	registry := prometheus.NewRegistry()
	registry.MustRegister(queue, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, page, number)
	})
	return &http.Server{Handler: mux, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second}
}

const page = `<!DOCTYPE html>
<title>ipqueue metrics</title>
<h1>Queue %d</h1>
<p><a href="/metrics">/metrics</a> has its counters for Prometheus.</p>
`

// serve answers until the server is closed. Without it packets still pass.
func serve(server *http.Server, listener net.Listener) {
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		complain(err)
	}
}

func parse(args []string, help io.Writer) (number uint16, listen string, err error) {
	flags := program.Flags()
	flags.Func("queue", "queue `N` of nfnetlink_queue (default 0)", numbers.Decimal(&number))
	flags.StringVar(&listen, "listen", "127.0.0.1:9763", "serve /metrics at `ADDRESS`")
	err = program.Parse(flags, args, help)
	if err == nil && listen == "" {
		err = cli.Misuse("want an address after -listen, such as 127.0.0.1:9763")
	}
	return number, listen, err
}
