package queue

import (
	"encoding/json"
	"fmt"
	"log/slog"
)

// A counter is a field of Stats and its name in logs.
type counter struct {
	name  string
	value *uint64
}

// counters returns the fields of Stats that are added up in a Group.
func (s *Stats) counters() []counter {
	return []counter{
		{"received", &s.Received},
		{"decided", &s.Decided},
		{"undecided", &s.Undecided},
		{"expired", &s.Expired},
		{"overflowed", &s.Overflowed},
		{"damaged", &s.Damaged},
		{"gone", &s.Gone},
		{"abandoned", &s.Abandoned},
		{"accepted", &s.Accepted},
		{"dropped", &s.Dropped},
		{"repeated", &s.Repeated},
		{"stopped", &s.Stopped},
		{"requeued", &s.Requeued},
		{"replaced", &s.Replaced},
		{"missed", &s.Missed},
		{"overruns", &s.Overruns},
		{"refused", &s.Refused},
		{"late", &s.Late},
		{"lost_answers", &s.LostAnswers},
		{"calls_skipped", &s.CallsSkipped},
		{"conntrack_skipped", &s.ConntrackSkipped},
		{"malformed", &s.Malformed},
		{"foreign", &s.Foreign},
		{"send_retries", &s.SendRetries},
		{"buffers_left", &s.BuffersLeft},
	}
}

// add adds the counters of another queue.
func (s *Stats) add(o *Stats) {
	more := o.counters()
	for i, c := range s.counters() {
		*c.value += *more[i].value
	}
	s.OldestUndecided = max(s.OldestUndecided, o.OldestUndecided)
	s.ReadBuffer += o.ReadBuffer
	s.Kernel.add(&o.Kernel)
}

func (k *KernelStats) add(o *KernelStats) {
	if k.Err == nil {
		k.Err = o.Err
	}
	k.Pending += o.Pending
	k.QueueDropped += o.QueueDropped
	k.SocketDropped += o.SocketDropped
}

// LogValue returns a group with the counters that are not 0, so that
//
//	slog.Info("queue", "stats", q.Stats())
//
// logs little unless something goes wrong.
func (s Stats) LogValue() slog.Value {
	var attrs []slog.Attr
	for _, c := range s.counters() {
		if *c.value != 0 {
			attrs = append(attrs, slog.Uint64(c.name, *c.value))
		}
	}
	if s.OldestUndecided != 0 {
		attrs = append(attrs, slog.Duration("oldest_undecided", s.OldestUndecided))
	}
	attrs = append(attrs, slog.Attr{Key: "kernel", Value: s.Kernel.LogValue()}) // left out if empty
	return slog.GroupValue(attrs...)
}

// LogValue returns a group with the counters that are not 0, except LastID, or
// with the error.
func (k KernelStats) LogValue() slog.Value {
	if k.Err != nil {
		return slog.GroupValue(slog.String("err", k.Err.Error()))
	}
	var attrs []slog.Attr
	for _, c := range []struct {
		name  string
		value uint32
	}{{"pending", k.Pending}, {"queue_dropped", k.QueueDropped}, {"socket_dropped", k.SocketDropped}} {
		if c.value != 0 {
			attrs = append(attrs, slog.Uint64(c.name, uint64(c.value)))
		}
	}
	return slog.GroupValue(attrs...)
}

// String returns the counters that are not 0 in one line, for example
//
//	received=12 decided=11 undecided=1 accepted=11 kernel.pending=1
func (s Stats) String() string { return text("", s.LogValue()) }

// text formats the attributes of a group, nested ones with the name of their group.
func text(prefix string, v slog.Value) string {
	var said []string
	for _, a := range v.Group() {
		if a.Value.Kind() == slog.KindGroup {
			said = append(said, text(a.Key+".", a.Value))
			continue
		}
		said = append(said, fmt.Sprintf("%s%s=%v", prefix, a.Key, a.Value))
	}
	return join(" ", said...)
}

// MarshalJSON encodes Err as its text, so that Stats can be published:
//
//	expvar.Publish("queue", expvar.Func(func() any { return q.Stats() }))
//
// It never returns an error.
func (k KernelStats) MarshalJSON() ([]byte, error) {
	type plain KernelStats // without this method
	v := struct {
		Err string `json:",omitempty"`
		plain
	}{plain: plain(k)}
	if k.Err != nil {
		v.Err = k.Err.Error()
	}
	return json.Marshal(v)
}
