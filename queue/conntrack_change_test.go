package queue_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/queue"
)

// everyChange changes all that can be changed.
var everyChange = queue.CTChange{
	Mark: 0x10, MarkMask: 0xf0, NoHelper: true,
	SetLabels: queue.CTLabels{1 << 2, 1 << 62}, ClearLabels: queue.CTLabels{1 << 1},
	Timeout:   90 * time.Second,
	SetStatus: queue.CTSeenReply | queue.CTAssured | queue.CTFixedTimeout, ClearStatus: queue.CTHelper,
}

// TestConntrackChange checks the entry after a verdict. simEntry has mark 5,
// labels 1 and 127, a timeout of 30 seconds and status 0x18.
func TestConntrackChange(t *testing.T) {
	unlabelled := func(c *kerneltest.Conntrack) { c.NoLabels, c.Labels = true, [2]uint64{} }
	for name, tt := range map[string]struct {
		change queue.CTChange
		before func(*kerneltest.Conntrack) // of the entry, if not nil
		want   func(*kerneltest.Conntrack) // makes the entry before that after
	}{
		"mark":               {queue.CTChange{Mark: 0x80000001}, nil, func(c *kerneltest.Conntrack) { c.Mark = 0x80000001 }},
		"mark to zero":       {queue.CTChange{MarkMask: ^uint32(0)}, nil, func(c *kerneltest.Conntrack) { c.Mark = 0 }},
		"bits of the mark":   {queue.CTChange{Mark: 0x2, MarkMask: 0x3}, nil, func(c *kerneltest.Conntrack) { c.Mark = 6 }},
		"bits to zero":       {queue.CTChange{MarkMask: 0x4}, nil, func(c *kerneltest.Conntrack) { c.Mark = 1 }},
		"set label":          {queue.CTChange{SetLabels: queue.CTLabels{1 << 40, 0}}, nil, func(c *kerneltest.Conntrack) { c.Labels[0] |= 1 << 40 }},
		"set label again":    {queue.CTChange{SetLabels: queue.CTLabels{0, 1 << 63}}, nil, func(*kerneltest.Conntrack) {}},
		"clear label":        {queue.CTChange{ClearLabels: queue.CTLabels{0, 3 << 62}}, nil, func(c *kerneltest.Conntrack) { c.Labels[1] = 0 }},
		"timeout":            {queue.CTChange{Timeout: time.Hour}, nil, func(c *kerneltest.Conntrack) { c.Timeout = 3600 }},
		"timeout rounded":    {queue.CTChange{Timeout: time.Second + 1}, nil, func(c *kerneltest.Conntrack) { c.Timeout = 2 }},
		"timeout, longest":   {queue.CTChange{Timeout: math.MaxUint32 * time.Second}, nil, func(c *kerneltest.Conntrack) { c.Timeout = math.MaxUint32 }},
		"timeout for good":   {queue.CTChange{Timeout: time.Minute, SetStatus: queue.CTFixedTimeout}, nil, func(c *kerneltest.Conntrack) { c.Timeout, c.Status = 60, 0x418 }},
		"set status":         {queue.CTChange{SetStatus: queue.CTAssured}, nil, func(c *kerneltest.Conntrack) { c.Status = 0x1c }},
		"clear status":       {queue.CTChange{ClearStatus: queue.CTFixedTimeout}, func(c *kerneltest.Conntrack) { c.Status = 0x400 }, func(c *kerneltest.Conntrack) { c.Status = 0 }},
		"no helper":          {queue.CTChange{NoHelper: true}, func(c *kerneltest.Conntrack) { c.Helper = "ftp" }, func(c *kerneltest.Conntrack) { c.Helper = "" }},
		"no helper any more": {queue.CTChange{NoHelper: true}, nil, func(*kerneltest.Conntrack) {}},
		"everything": {everyChange, func(c *kerneltest.Conntrack) { c.Helper, c.Status = "ftp", 0x2008 }, func(c *kerneltest.Conntrack) {
			c.Mark, c.Helper, c.Timeout, c.Status, c.Labels = 0x15, "", 90, 0x40e, [2]uint64{1 << 2, 1<<62 | 1<<63}
		}},
		"no room for labels": {queue.CTChange{Timeout: time.Hour, SetLabels: queue.CTLabels{1}, Mark: 9}, unlabelled,
			func(c *kerneltest.Conntrack) { c.Timeout = 3600 }}, // and nothing that follows
	} {
		t.Run(name, func(t *testing.T) {
			track(t, func(s *sim) {
				entry := simEntry()
				if tt.before != nil {
					tt.before(entry)
				}
				want := *entry
				tt.want(&want)
				j := s.injectPacket(kerneltest.Packet{Conntrack: entry})
				s.ok(s.next().Decide(queue.Verdict{Action: queue.Accept, Conntrack: tt.change}))
				s.fate(j, kerneltest.Accepted)
				if got := *j.Result().Packet.Conntrack; got != want {
					s.Errorf("the entry is now\n%+v, want\n%+v", got, want)
				}
			})
		})
	}
}

// A mark is seen by the connection's next packet, whatever became of the first,
// and goes with other changes.
func TestConntrackChangeNextPacket(t *testing.T) {
	track(t, func(s *sim) {
		entry := simEntry()
		j := s.injectPacket(kerneltest.Packet{Conntrack: entry, ConntrackInfo: 2, Payload: simUDP(false, pattern(9))})
		payload := simUDP(false, pattern(30))
		s.ok(s.next().Decide(queue.Verdict{Action: queue.Drop, Payload: payload, Priority: 2, Conntrack: queue.CTChange{Mark: 8}}))
		s.fate(j, kerneltest.Dropped)
		s.injectPacket(kerneltest.Packet{Conntrack: entry})
		if c, _ := s.next().Conntrack(); c.Mark != 8 {
			s.Errorf("the next packet has %v, want mark 8", c)
		}
	})
}

func TestConntrackChangeRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		change queue.CTChange
		want   error
	}{
		"mark outside of mask":     {queue.CTChange{Mark: 6, MarkMask: 2}, queue.ErrInvalid},
		"label set and cleared":    {queue.CTChange{SetLabels: queue.CTLabels{6}, ClearLabels: queue.CTLabels{2}}, queue.ErrInvalid},
		"label 64 set and cleared": {queue.CTChange{SetLabels: queue.CTLabels{0, 1}, ClearLabels: queue.CTLabels{0, 1}}, queue.ErrInvalid},
		"negative timeout":         {queue.CTChange{Timeout: -1}, queue.ErrInvalid},
		"long timeout":             {queue.CTChange{Timeout: math.MaxUint32*time.Second + 1}, queue.ErrInvalid},
		"set confirmed":            {queue.CTChange{SetStatus: queue.CTConfirmed}, queue.ErrInvalid},
		"set an unknown bit":       {queue.CTChange{SetStatus: 1 << 31}, queue.ErrInvalid},
		"clear assured":            {queue.CTChange{ClearStatus: queue.CTAssured}, queue.ErrInvalid},
		"status set and cleared":   {queue.CTChange{SetStatus: queue.CTHelper, ClearStatus: queue.CTHelper}, queue.ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			track(t, func(s *sim) {
				entry := simEntry()
				entry.Status = 0x401 // expected, fixed timeout
				j := s.injectPacket(kerneltest.Packet{Conntrack: entry})
				s.wantRefused(s.next(), j, queue.Verdict{Action: queue.Accept, Mark: 1, Conntrack: tt.change}, tt.want)
				if got := *j.Result().Packet.Conntrack; got.Mark != 5 || got.Status != 0x401 {
					s.Errorf("the entry is now %+v", got)
				}
			})
		})
	}
}

// A queue that was not asked for entries cannot change any.
func TestConntrackChangeNotAskedFor(t *testing.T) {
	simulate(t, []kind{nfqueueKind}, kerneltest.Options{}, func(s *sim) {
		s.open(queue.Config{})
		j := s.injectPacket(kerneltest.Packet{Conntrack: simEntry()})
		v := queue.Verdict{Action: queue.Accept, Conntrack: queue.CTChange{Mark: 1}}
		p := s.next()
		if n, err := p.DecideUpTo(v); n != 0 || !errors.Is(err, queue.ErrUnsupported) || !strings.Contains(err.Error(), "Config.Conntrack") {
			s.Errorf("DecideUpTo = %d, %v, want %v and the field's name", n, err, queue.ErrUnsupported)
		}
		s.wantRefused(p, j, v, queue.ErrUnsupported)
	})
}

// What an entry does not admit is left out, the rest is done, and the packet
// goes its way.
func TestConntrackChangeSkipped(t *testing.T) {
	expected := func(c *kerneltest.Conntrack) { c.Status = 0x401 } // with a fixed timeout
	for name, tt := range map[string]struct {
		before func(*kerneltest.Conntrack) // nil for a packet without an entry
		change queue.CTChange
		want   func(*kerneltest.Conntrack)
	}{
		"no entry":               {nil, queue.CTChange{Mark: 1, SetStatus: queue.CTAssured}, nil},
		"timeout is fixed":       {expected, queue.CTChange{Timeout: time.Second, Mark: 9}, func(c *kerneltest.Conntrack) { c.Mark = 9 }},
		"helper of the expected": {expected, queue.CTChange{NoHelper: true, Mark: 9}, func(c *kerneltest.Conntrack) { c.Mark = 9 }},
		"nothing is left":        {expected, queue.CTChange{Timeout: time.Second, NoHelper: true}, func(*kerneltest.Conntrack) {}},
	} {
		for _, v := range []queue.Verdict{
			{Action: queue.Accept}, {Action: queue.Accept, Mark: 3}, {Action: queue.Accept, Payload: simUDP(false, pattern(30))},
		} {
			t.Run(name+", "+v.String(), func(t *testing.T) {
				track(t, func(s *sim) {
					p := kerneltest.Packet{Payload: simUDP(false, pattern(9))}
					var want kerneltest.Conntrack
					if tt.before != nil {
						p.Conntrack = simEntry()
						tt.before(p.Conntrack)
						want = *p.Conntrack
						tt.want(&want)
					}
					j := s.injectPacket(p)
					v.Conntrack = tt.change
					s.ok(s.next().Decide(v))
					s.fate(j, kerneltest.Accepted)
					r := j.Result()
					if r.Packet.Mark != v.Mark || r.Replaced != (v.Payload != nil) {
						s.Errorf("the rest of the verdict was not carried out: %+v", r)
					}
					if tt.before != nil && *r.Packet.Conntrack != want {
						s.Errorf("the entry is now\n%+v, want\n%+v", *r.Packet.Conntrack, want)
					}
					if n := s.q.Stats(); n.ConntrackSkipped != 1 || n.Decided != 1 || n.Refused != 0 {
						s.Errorf("%d skipped, %d decided, %d refused, want 1, 1, 0", n.ConntrackSkipped, n.Decided, n.Refused)
					}
				})
			})
		}
	}
}

// Of several packets those without an entry are counted, and only their change
// is left out.
func TestConntrackChangeSkippedUpTo(t *testing.T) {
	track(t, func(s *sim) {
		entry := simEntry()
		tracked := s.injectPacket(kerneltest.Packet{Conntrack: entry})
		untracked := s.injectOne()
		last := s.injectPacket(kerneltest.Packet{Conntrack: simEntry()})
		s.next()
		s.next()
		v := queue.Verdict{Action: queue.Accept, Conntrack: queue.CTChange{Mark: 9}}
		if n, err := s.next().DecideUpTo(v); n != 3 || err != nil {
			s.Errorf("DecideUpTo = %d, %v, want 3", n, err)
		}
		for _, j := range []*kerneltest.Journey{tracked, untracked, last} {
			s.fate(j, kerneltest.Accepted)
			if c := j.Result().Packet.Conntrack; c != nil && c.Mark != 9 {
				s.Errorf("a connection has mark %d, want 9", c.Mark)
			}
		}
		if n := s.q.Stats().ConntrackSkipped; n != 1 {
			s.Errorf("%d were skipped, want 1", n)
		}
	})
}

func TestCTChangeString(t *testing.T) {
	for want, c := range map[string]queue.CTChange{
		"":                {},
		"ct mark 0x0":     {MarkMask: ^uint32(0)},
		"ct mark 0x7":     {Mark: 7},
		"ct mark 0x0/0x7": {MarkMask: 7},
		"ct mark 0x10/0xf0 ct timeout 1m30s ct status +seen-reply|assured|fixed-timeout ct status -helper " +
			"ct labels +2,126 ct labels -1 ct no helper": everyChange,
	} {
		if got := c.String(); got != want {
			t.Errorf("String = %q, want %q", got, want)
		}
	}
}
