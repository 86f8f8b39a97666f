package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/ipqueue/ipqueue/bench/internal/load"
	"github.com/ipqueue/ipqueue/bench/internal/sys"
	"github.com/ipqueue/ipqueue/wire"
)

// A sample contains all counters at one moment.
type sample struct {
	at        time.Time
	status    wire.NFQStatus
	account   sys.Account
	consumer  consumerState
	generator load.Reading
}

func (t *trial) sample() (s sample, err error) {
	if t.row.contender.isGo {
		if err := t.consumer.ask(&s.consumer); err != nil {
			return s, err
		}
	}
	if err := t.generator.ask(&s.generator); err != nil {
		return s, err
	}
	if s.account, err = sys.AccountOf(t.consumer.cmd.Process.Pid); err != nil {
		return s, fmt.Errorf("the consumer is gone: %w", err)
	}
	s.status, err = readRow()
	s.at = time.Now()
	return s, err
}

// errIdle means that a value is 0: the measurement was too short, for example because
// other programs used the processors.
var errIdle = errors.New("nothing happened during the measurement")

// between returns the values between two samples. It fails with errIdle if one of
// them that must not be 0 is 0.
func between(r row, a, b sample) (values, error) {
	n := float64(handled(b.status) - handled(a.status))
	seconds := b.at.Sub(a.at).Seconds()
	used := b.account.Sub(a.account)
	v := values{
		packetCount: n,
		packetRate:  n / seconds,
		cpuTime:     float64(used.Total) / n,
		userTime:    float64(used.User) / n,
		systemTime:  float64(used.System) / n,
		cpuBusy:     100 * used.Total.Seconds() / seconds,
		queueFull:   float64(b.status.QueueDropped - a.status.QueueDropped),
		socketFull:  float64(b.status.UserDropped - a.status.UserDropped),
		memory:      float64(b.account.Memory),
	}
	if r.contender.isGo {
		v[allocs] = float64(b.consumer.Mallocs-a.consumer.Mallocs) / n
		v[allocBytes] = float64(b.consumer.Bytes-a.consumer.Bytes) / n
	}
	v.addLoad(r.scene.spec.Kind, a.generator, b.generator, seconds)
	for _, unit := range []string{packetCount, cpuBusy, bitRate, p50} {
		if x, ok := v[unit]; ok && x == 0 {
			return nil, errIdle
		}
	}
	return v, nil
}

// addLoad adds the values that only some kinds of load have.
func (v values) addLoad(kind load.Kind, a, b load.Reading, seconds float64) {
	switch kind {
	case load.TCP:
		v[bitRate] = 8 * float64(b.Bytes-a.Bytes) / seconds / 1e9
	case load.OneByOne:
		v[p50] = float64(b.Latency.P50)
		v[p99] = float64(b.Latency.P99)
		v[p999] = float64(b.Latency.P999)
		v[tooLate] = float64(b.Lost - a.Lost)
	}
}
