package main

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"
)

// testResults returns results of two rounds of two rows. One measurement failed.
func testResults() *results {
	ours := seriesOf("udp-64", packets, packetRate, 100000, 120000)
	ours.row.scene.about, ours.row.contender.about = "flood", "Packets, one consumer"
	for _, v := range ours.rounds {
		v[packetCount], v[cpuTime], v[allocs], v[queueFull] = 1000, 4000, 0, 2
	}
	theirs := seriesOf("udp-64", cMany, packetRate, 100000)
	theirs.row.scene.about = "flood"
	theirs.row.contender.peer, theirs.row.contender.about = command{"many"}, "C"
	theirs.rounds = append(theirs.rounds, nil)
	return &results{
		machine:  machine{date: time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC), commit: "abc", facts: []fact{{"kernel", "6.1"}}},
		settings: []fact{{"rounds", "2"}},
		sizes:    []int{64},
		series:   []series{ours, theirs},
		leftOut:  []error{errors.New("no cake")},
		failures: []failure{{theirs.row, 2, errors.New("too bad")}},
	}
}

func TestWriteReport(t *testing.T) {
	var b strings.Builder
	if err := testResults().writeReport(&b, false); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"- kernel: 6.1\n- rounds: 2\n- left out: no cake\n",
		"## Failed\n\n- udp-64/c-many, round 2: too bad\n",
		"| consumer | packets/s | ± | CPU µs | allocs | lost: queue full |\n| --- | ---: | ---: | ---: | ---: | ---: |\n",
		"| packets | 110\u00a0000 | 9\u00a0% | 4.00 | 0.00 | 4 |\n",
		"| c-many | 100\u00a0000 | 0\u00a0% |  |  |  |\n",
		"- `packets`: Packets, one consumer\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, &b)
		}
	}
	if strings.Contains(b.String(), "latency") || strings.Contains(b.String(), "wanted") {
		t.Errorf("the report has rows that nobody asked for, or marks:\n%s", &b)
	}
}

func TestWriteMarks(t *testing.T) {
	var b strings.Builder
	if err := testResults().writeMarks(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| Packets, packets/s, against C with many verdicts per send | udp-64 | 1.00 | ≥ 0.90 | met |\n",
		"| Packets, packets/s, against libnetfilter_queue | udp-64 | – | ≥ 1.50 | not measured |\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the marks lack %q:\n%s", want, &b)
		}
	}
	if strings.Contains(b.String(), "latency") {
		t.Errorf("there are marks of rows that nobody asked for:\n%s", &b)
	}
}

func TestWriteRaw(t *testing.T) {
	var b strings.Builder
	if err := testResults().writeRaw(&b); err != nil {
		t.Fatal(err)
	}
	const want = "kernel: 6.1\nrounds: 2\n" +
		"BenchmarkQueue/load=udp-64/consumer=packets\t1000\t100000 packets/s\t4000 cpu-ns/op\t0 allocs/op\t2 queue-full\n" +
		"BenchmarkQueue/load=udp-64/consumer=packets\t1000\t120000 packets/s\t4000 cpu-ns/op\t0 allocs/op\t2 queue-full\n" +
		"BenchmarkQueue/load=udp-64/consumer=c-many\t0\t100000 packets/s\n"
	if b.String() != want {
		t.Errorf("raw results:\n%s\nwant:\n%s", &b, want)
	}
}

func TestNumbers(t *testing.T) {
	for _, test := range []struct{ got, want string }{
		{thousands(0), "0"},
		{thousands(999.4), "999"},
		{thousands(1000), "1\u00a0000"},
		{thousands(1234567), "1\u00a0234\u00a0567"},
		{thousands(math.NaN()), "–"},
		{plain(1.005, 1), "1.0"},
		{plain(math.NaN(), 1), "–"},
		{percent(0.123), "12\u00a0%"},
		{percent(spread(nil)), "–"},
		{percent(spread([]float64{90, 100, 130})), "20\u00a0%"},
	} {
		if test.got != test.want {
			t.Errorf("%q, want %q", test.got, test.want)
		}
	}
}
