package kerneltest

import (
	"errors"
	"io/fs"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipqueue/ipqueue/internal/sock"
)

func slots(n int) []sock.Datagram {
	batch := make([]sock.Datagram, n)
	for i := range batch {
		batch[i].Buf = make([]byte, 8)
	}
	return batch
}

func nfqSocket(t *testing.T) *Socket {
	return open(t, New(Options{}), sock.Config{Protocol: sock.ProtoNetfilter})
}

func TestReceiveFillsBatch(t *testing.T) {
	s := nfqSocket(t)
	for _, b := range []string{"one", "two", "123456789", "four"} {
		s.Deliver(7, []byte(b))
	}
	batch := slots(3)
	n, err := s.Receive(batch, nil)
	if n != 3 || err != nil {
		t.Fatalf("Receive = %d, %v; want 3", n, err)
	}
	for i, want := range []struct {
		data      string
		truncated bool
	}{{"one", false}, {"two", false}, {"12345678", true}} {
		d := batch[i]
		if string(d.Buf[:d.N]) != want.data || d.Truncated != want.truncated || d.From != 7 {
			t.Errorf("datagram %d is %q from %d, truncated %v; want %q from 7, %v",
				i, d.Buf[:d.N], d.From, d.Truncated, want.data, want.truncated)
		}
	}
	if n := s.Unread(); n != 1 {
		t.Errorf("%d left, want 1", n)
	}
	if n, err := s.Receive(batch, nil); n != 1 || err != nil {
		t.Errorf("Receive = %d, %v; want the one that is left", n, err)
	}
}

func TestReceiveUsesMaxBatch(t *testing.T) {
	s := nfqSocket(t)
	for range sock.MaxBatch + 1 {
		s.Deliver(0, []byte("x"))
	}
	if n, err := s.Receive(slots(sock.MaxBatch+1), nil); n != sock.MaxBatch || err != nil {
		t.Errorf("Receive = %d, %v; want %d", n, err, sock.MaxBatch)
	}
	if n, err := s.Receive(nil, nil); n != 0 || err == nil {
		t.Errorf("Receive of nothing = %d, %v; want an error", n, err)
	}
}

func TestReceiveIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := nfqSocket(t)
		calls := 0
		idle := func() bool { calls++; return true }
		time.AfterFunc(time.Second, s.Wake)
		time.AfterFunc(2*time.Second, func() { s.Deliver(0, []byte("x")) })
		n, err := s.Receive(slots(1), idle)
		if n != 1 || err != nil || calls != 2 {
			t.Errorf("Receive = %d, %v after %d calls of idle; want 1 after 2", n, err, calls)
		}
		if n, err := s.Receive(slots(1), func() bool { return false }); n != 0 || err != nil {
			t.Errorf("Receive that does not wait = %d, %v; want 0", n, err)
		}
		s.Deliver(0, nil)
		if n, err := s.Receive(slots(1), func() bool { t.Error("idle called with data there"); return false }); n != 1 || err != nil {
			t.Errorf("Receive = %d, %v; want 1", n, err)
		}
	})
}

// TestReceiveIdleMayUseSocket sends from idle, and checks that Receive returns the
// reply.
func TestReceiveIdleMayUseSocket(t *testing.T) {
	s := nfqSocket(t)
	n, err := s.Receive(slots(1), func() bool {
		send(t, s, nfqRequest(nfqConfig, 1))
		return true
	})
	if n != 1 || err != nil {
		t.Errorf("Receive = %d, %v; want the reply", n, err)
	}
}

func TestReadDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := nfqSocket(t)
		start := time.Now()
		deadline := func(d time.Duration) {
			if err := s.SetReadDeadline(time.Now().Add(d)); err != nil {
				t.Fatalf("SetReadDeadline: %v", err)
			}
		}
		read := func(want error, at time.Duration) {
			t.Helper()
			_, err := s.Receive(slots(1), nil)
			if !errors.Is(err, want) || time.Since(start) != at {
				t.Errorf("Receive: %v after %v, want %v after %v", err, time.Since(start), want, at)
			}
		}
		deadline(time.Second)
		read(os.ErrDeadlineExceeded, time.Second)
		s.Deliver(0, []byte("x"))
		read(os.ErrDeadlineExceeded, time.Second)
		_ = s.SetReadDeadline(time.Time{})
		read(nil, time.Second)
		deadline(-1)
		read(os.ErrDeadlineExceeded, time.Second)
		deadline(time.Hour)
		time.AfterFunc(time.Second, func() { deadline(-time.Second) })
		read(os.ErrDeadlineExceeded, 2*time.Second)
	})
}

func TestCloseWakesReceive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := nfqSocket(t)
		_ = s.SetReadDeadline(time.Now().Add(time.Hour))
		time.AfterFunc(time.Second, func() { _ = s.Close() })
		if _, err := s.Receive(slots(1), nil); !errors.Is(err, os.ErrClosed) {
			t.Errorf("Receive: %v, want ErrClosed", err)
		}
	})
}

func TestClosedSocket(t *testing.T) {
	s := nfqSocket(t)
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	_, receiveErr := s.Receive(slots(1), nil)
	_, sendErr := s.Send([][]byte{{1}})
	_, statusErr := s.Status(nil, 0)
	for name, err := range map[string]error{
		"Receive": receiveErr, "Send": sendErr, "Status": statusErr,
		"Close": s.Close(), "SetReadDeadline": s.SetReadDeadline(time.Time{}),
	} {
		if !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s after Close: %v, want ErrClosed", name, err)
		}
	}
}

func TestSendErrors(t *testing.T) {
	for name, tt := range map[string]struct {
		o    Options
		c    sock.Config
		b    []byte
		want error
	}{
		"fits":              {Options{}, sock.Config{}, make([]byte, 212992-32), nil},
		"too long":          {Options{}, sock.Config{}, make([]byte, 212992-31), errMsgSize},
		"asked for more":    {Options{}, sock.Config{WriteBuffer: 1 << 20}, make([]byte, 2<<20-32), nil},
		"asked for little":  {Options{}, sock.Config{WriteBuffer: 1}, make([]byte, 4608-31), errMsgSize},
		"empty":             {Options{}, sock.Config{}, nil, errNoData},
		"empty, old kernel": {Options{Linux: Version{5, 10}}, sock.Config{}, nil, nil},
		"to nobody":         {Options{}, sock.Config{Port: 4242}, []byte{1}, errConnRefused},
	} {
		t.Run(name, func(t *testing.T) {
			tt.c.Protocol = sock.ProtoNetfilter
			s := open(t, New(tt.o), tt.c)
			if _, err := s.Send([][]byte{tt.b}); !errors.Is(err, tt.want) {
				t.Errorf("Send of %d bytes: %v, want %v", len(tt.b), err, tt.want)
			}
		})
	}
}

func TestSendTakesMaxBatch(t *testing.T) {
	s := nfqSocket(t)
	batch := make([][]byte, sock.MaxBatch+1)
	for i := range batch {
		batch[i] = []byte{1}
	}
	if n, err := s.Send(batch); n != sock.MaxBatch || err != nil {
		t.Errorf("Send = %d, %v; want %d", n, err, sock.MaxBatch)
	}
}

func TestReadBufferSize(t *testing.T) {
	for _, tt := range []struct {
		o    Options
		ask  int
		want int
	}{
		{Options{}, 0, 212992},
		{Options{ReadBuffer: 196608}, 0, 196608},
		{Options{}, 8 << 20, 16 << 20},
		{Options{ReadBufferMax: 1 << 20}, 8 << 20, 2 << 20},
		{Options{}, 1, 2304},
	} {
		s := open(t, New(tt.o), sock.Config{Protocol: sock.ProtoNetfilter, ReadBuffer: tt.ask})
		if got := s.ReadBuffer(); got != tt.want {
			t.Errorf("%+v: ReadBuffer for %d is %d, want %d", tt.o, tt.ask, got, tt.want)
		}
	}
}

func TestStatus(t *testing.T) {
	k := New(Options{})
	s := open(t, k, sock.Config{Protocol: sock.ProtoNetfilter, StatusFile: "netfilter/nfnetlink_queue"})
	bind(t, s, 9)
	b := make([]byte, 200)
	n, err := s.Status(b, 0)
	want := "    9   4711     0 2 65531     0     0        0  1\n"
	if err != nil || string(b[:n]) != want {
		t.Errorf("Status = %q, %v; want %q", b[:n], err, want)
	}
	if n, err := s.Status(b[:5], 0); n != 5 || err != nil {
		t.Errorf("Status of 5 bytes = %d, %v", n, err)
	}
	none := open(t, k, sock.Config{Protocol: sock.ProtoNetfilter})
	if _, err := none.Status(b, 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Status without a file: %v, want not exist", err)
	}
}

func TestConcurrentCallsPanic(t *testing.T) {
	var s *Socket
	s = open(t, New(Options{OnSend: func(uint32, []byte) {
		wantPanic(t, "Send", func() { _, _ = s.Send(nil) })
	}}), sock.Config{Protocol: sock.ProtoNetfilter})
	send(t, s, []byte{1})
	_, _ = s.Receive(slots(1), func() bool {
		wantPanic(t, "Receive", func() { _, _ = s.Receive(slots(1), nil) })
		return false
	})
	send(t, s, []byte{1})
}

func wantPanic(t *testing.T, name string, call func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("a second %s did not panic", name)
		}
	}()
	call()
}
