package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipqueue/ipqueue/internal/testutil"
	"github.com/ipqueue/ipqueue/queue"
	"github.com/ipqueue/ipqueue/queue/queuetest"
)

// A session is the program on a simulated kernel, with a person who uses it.
type session struct {
	t       *testing.T
	kernel  *queuetest.Kernel
	program *queuetest.Program
	in      *io.PipeWriter
	out     testutil.Output
}

// sit runs the program in a synctest bubble, in virtual time.
func sit(t *testing.T, args string, person func(s *session)) {
	t.Helper()
	o, err := parseLine(args)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		in, keyboard := io.Pipe()
		s := &session{t: t, in: keyboard, kernel: queuetest.New(t, queuetest.Options{Timeout: time.Hour})}
		s.program = s.kernel.Go(func(ctx context.Context) error { return run(ctx, o, in, &s.out) })
		t.Cleanup(func() { in.Close() })
		synctest.Wait()
		person(s)
	})
}

// syn sends the SYN of a connection. first is its sequence number.
func (s *session) syn(from, to string, first uint32) *queuetest.Sent {
	p := queuetest.TCP(from, to, queuetest.TCPHeader{Seq: first, Flags: queuetest.SYN}, nil)
	p.Hook, p.Out, p.Owner = queue.HookOutput, "lo", &queuetest.Owner{UID: 1000}
	sent := s.kernel.Send(p)
	synctest.Wait()
	return sent
}

// enter types a line.
func (s *session) enter(line string) {
	s.t.Helper()
	if _, err := s.in.Write([]byte(line + "\n")); err != nil {
		s.t.Fatal(err)
	}
	synctest.Wait()
}

// pass waits for d in virtual time.
func (s *session) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// wantQuestions checks the number of questions shown so far.
func (s *session) wantQuestions(want int) {
	s.t.Helper()
	if got := strings.Count(s.out.String(), "?\n"); got != want {
		s.t.Errorf("%d questions, want %d:\n%s", got, want, &s.out)
	}
}

// wantSaid checks that a line was printed that begins with want. It ignores the
// number of spaces.
func (s *session) wantSaid(want string) {
	s.t.Helper()
	for line := range strings.Lines(s.out.String()) {
		if strings.HasPrefix(strings.Join(strings.Fields(line), " "), want) {
			return
		}
	}
	s.t.Errorf("no line begins with %q:\n%s", want, &s.out)
}

func wantPending(t *testing.T, s *queuetest.Sent) {
	t.Helper()
	if got := s.Outcome().Fate; got != queuetest.Pending {
		t.Errorf("%v is %v, want Pending", s, got)
	}
}

const (
	client = "10.0.0.1:40000"
	other  = "10.0.0.1:40001"
	web    = "192.0.2.1:443"
	mail   = "192.0.2.1:25"
)

func TestAnswers(t *testing.T) {
	for _, test := range []struct {
		line  string
		fate  queuetest.Fate
		again bool // the next connection causes another question
		said  string
	}{
		{"y", queuetest.Accepted, true, "accepted 192.0.2.1:443 once packets: 1"},
		{"always", queuetest.Accepted, false, "accepted 192.0.2.1:443 always packets: 1"},
		{"n", queuetest.Dropped, true, "dropped 192.0.2.1:443 once packets: 1"},
		{"block", queuetest.Dropped, false, "dropped 192.0.2.1:443 always packets: 1"},
	} {
		t.Run(test.line, func(t *testing.T) {
			sit(t, "", func(s *session) {
				first := s.syn(client, web, 7)
				wantPending(t, first)
				s.wantSaid("#1 Output lo: TCP 10.0.0.1:40000 > 192.0.2.1:443 SYN, 40 bytes, uid 1000")
				s.wantSaid("connect to 192.0.2.1:443: yes, always, no or block?")
				s.enter(test.line)
				first.Want(test.fate)
				s.wantSaid(test.said)
				s.syn(client, web, 7).Want(test.fate) // a retransmission
				s.wantQuestions(1)

				next := s.syn(client, web, 8)
				if test.again {
					wantPending(t, next)
					s.wantQuestions(2)
					s.enter("no")
					next.WantDropped()
				} else {
					next.Want(test.fate)
					s.wantQuestions(1)
				}
			})
		})
	}
}

// TestQuestionsInOrder checks that an answer decides all packets that wait for
// the same destination, and no others.
func TestQuestionsInOrder(t *testing.T) {
	sit(t, "", func(s *session) {
		toWeb, again, toMail := s.syn(client, web, 7), s.syn(client, web, 7), s.syn(client, mail, 8)
		another, toV6 := s.syn(other, web, 9), s.syn("[fd00::1]:1", "[fd00::2]:443", 10)
		s.wantQuestions(1)
		s.enter("yes")
		for _, sent := range []*queuetest.Sent{toWeb, again, another} {
			sent.WantAccepted()
		}
		s.wantSaid("accepted 192.0.2.1:443 once packets: 3")
		wantPending(t, toMail)
		s.wantSaid("connect to 192.0.2.1:25:")
		s.enter("no")
		toMail.WantDropped()
		wantPending(t, toV6)
		s.wantSaid("connect to [fd00::2]:443:")
		s.enter("always")
		toV6.WantAccepted()
		s.wantQuestions(3)
	})
}

// TestLinesThatAnswerNothing checks that a line typed before the question does
// not answer it, and that an invalid answer can be corrected.
func TestLinesThatAnswerNothing(t *testing.T) {
	sit(t, "", func(s *session) {
		s.enter("always")
		sent := s.syn(client, web, 7)
		wantPending(t, sent)
		s.enter("")
		s.enter("sure")
		s.wantSaid(`want yes, always, no or block, or a first letter, not "sure"`)
		wantPending(t, sent)
		s.enter("no")
		sent.WantDropped()
	})
}

func TestTimeout(t *testing.T) {
	for standard, fate := range map[string]queuetest.Fate{"drop": queuetest.Dropped, "accept": queuetest.Accepted} {
		t.Run(standard, func(t *testing.T) {
			sit(t, "-wait 5s -default "+standard, func(s *session) {
				shown, unseen := s.syn(client, web, 7), s.syn(client, mail, 8)
				s.pass(3 * time.Second)
				retransmitted := s.syn(client, web, 7)
				s.pass(3 * time.Second)
				shown.Want(fate)
				unseen.Want(fate)
				s.wantSaid(done(mustParse(t, standard)) + " 192.0.2.1:443 no answer in 5s packets: 1")
				s.wantSaid(done(mustParse(t, standard)) + " 192.0.2.1:25 no answer in 5s packets: 1")
				wantPending(t, retransmitted)
				s.pass(3 * time.Second)
				retransmitted.Want(fate)

				s.enter("always") // too late for this one, but it decides the next one
				s.wantSaid("accepted 192.0.2.1:443 always packets: 0")
				s.wantSaid("too late 192.0.2.1:443 " + done(mustParse(t, standard)) + " after 5s packets: 2")
				s.syn(other, web, 9).WantAccepted()
				s.wantQuestions(1) // no packet waits for the other destination any more
			})
		})
	}
}

// TestExpiredIsNotAsked checks that the program does not ask about packets that
// the deadline has decided, not even just after the deadline.
func TestExpiredIsNotAsked(t *testing.T) {
	sit(t, "-wait 5s", func(s *session) {
		s.syn(client, web, 7)
		s.pass(300 * time.Millisecond)
		unseen := s.syn(client, mail, 8)
		s.pass(5100 * time.Millisecond)
		unseen.WantDropped()
		s.enter("yes")
		s.wantQuestions(1)
		s.wantSaid("dropped 192.0.2.1:25 no answer in 5s packets: 1")
	})
}

func mustParse(t *testing.T, word string) queue.Action {
	t.Helper()
	action, err := parseVerdict(word)
	if err != nil {
		t.Fatal(err)
	}
	return action
}

// TestTooLate gives an answer after the deadline, but before the program has
// noticed it.
func TestTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := queuetest.New(t, queuetest.Options{})
		q := k.Open(queue.Config{Deadline: time.Second})
		sent := k.Send(queuetest.TCP(client, web, queuetest.TCPHeader{Flags: queuetest.SYN}, nil))
		var said []string
		a := newAsker(time.Second, queue.Drop, func(format string, args ...any) {
			said = append(said, strings.Join(strings.Fields(fmt.Sprintf(format, args...)), " "))
		})
		a.take(<-q.Packets(), time.Now())
		a.shown = true
		sent.WantDropped()
		a.answer(answer{queue.Accept, false})
		if want := "too late 192.0.2.1:443 dropped after 1s packets: 1"; len(said) != 1 || said[0] != want {
			t.Errorf("said %q, want %q", said, want)
		}
	})
}

// TestBounds exceeds the limits: further packets get the default immediately,
// and the others keep waiting.
func TestBounds(t *testing.T) {
	sit(t, "", func(s *session) {
		var waiting []*queuetest.Sent
		for i := range mostHeld {
			waiting = append(waiting, s.syn(client, web, uint32(i)))
		}
		s.syn(client, web, mostHeld).WantDropped()
		for i := range mostQuestions - 1 {
			waiting = append(waiting, s.syn(client, fmt.Sprintf("192.0.2.2:%d", i+1), 0))
		}
		s.syn(client, mail, 0).WantDropped()
		for _, sent := range waiting {
			wantPending(t, sent)
		}
		s.pass(time.Second)
		s.wantSaid("dropped too many packets wait packets: 2")
		s.pass(time.Minute)
		for _, sent := range waiting {
			sent.WantDropped()
		}
		s.wantQuestions(1)
		if err := s.program.Stop(); err != nil {
			t.Error(err)
		}
		s.wantSaid("ask: 81 packets: 0 decided, 81 dropped without an answer, 0 at the end")
	})
}

func TestEndOfInput(t *testing.T) {
	sit(t, "-default accept", func(s *session) {
		blocked := s.syn(client, mail, 6)
		s.enter("block")
		blocked.WantDropped()
		shown, unseen := s.syn(client, web, 7), s.syn(client, "192.0.2.1:80", 8)
		s.in.Close()
		shown.WantAccepted()
		unseen.WantAccepted()
		s.syn(other, web, 9).WantAccepted()
		s.syn(other, mail, 10).WantDropped()
		s.wantQuestions(2)
		s.wantSaid("accepted 192.0.2.1:443 end of input packets: 1")
		s.wantSaid("end of input: connections without an answer are accepted from now on")
		if err := s.program.Stop(); err != nil {
			t.Error(err)
		}
		s.wantSaid("ask: 5 packets: 2 decided, 3 accepted without an answer, 0 at the end")
	})
}

func TestInterrupt(t *testing.T) {
	for standard, fate := range map[string]queuetest.Fate{"drop": queuetest.Flushed, "accept": queuetest.Accepted} {
		t.Run(standard, func(t *testing.T) {
			sit(t, "-default "+standard, func(s *session) {
				shown, unseen := s.syn(client, web, 7), s.syn(client, mail, 8)
				if err := s.program.Stop(); err != nil {
					t.Error(err)
				}
				shown.Want(fate)
				unseen.Want(fate)
				s.wantSaid(fmt.Sprintf("ask: 2 packets: 0 decided, 0 %s without an answer, 2 at the end", done(mustParse(t, standard))))
			})
		})
	}
}
