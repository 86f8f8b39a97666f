package sock

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// slowPeer is set in the process that TestRequestLetsOthersRun starts.
const slowPeer = "SOCK_TEST_SLOW_PEER"

// A request that takes long, here until its peer makes room, does not keep the
// only processor. If it did, the whole process would hang: so it is another one.
func TestRequestLetsOthersRun(t *testing.T) {
	if os.Getenv(slowPeer) != "" {
		requestOfSlowPeer(t)
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/proc/self/exe", "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), slowPeer+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("a request to a slow peer: %v, %v\n%s", err, ctx.Err(), out)
	}
}

func requestOfSlowPeer(t *testing.T) {
	p := newPeer(t, Config{})
	var err error
	for err == nil {
		_, err = p.sock.Send([][]byte{pattern(100)})
	}
	if !errors.Is(err, unix.EAGAIN) {
		t.Fatalf("Send to a full peer = %v, want EAGAIN", err)
	}
	runtime.GOMAXPROCS(1)
	var begun atomic.Bool
	go func() {
		for !begun.Load() {
			runtime.Gosched()
		}
		for b := make([]byte, 100); err == nil; {
			_, _, err = unix.Recvfrom(p.fd, b, unix.MSG_DONTWAIT)
		}
	}()
	err = nil
	begun.Store(true)
	if n, err := p.sock.Request([][]byte{pattern(1)}); n != 1 || err != nil {
		t.Errorf("Request = %d, %v", n, err)
	}
}

func TestRequest(t *testing.T) {
	p := newPeer(t, Config{})
	if n, err := p.sock.Request([][]byte{pattern(5), pattern(6)}); n != 2 || err != nil {
		t.Errorf("Request = %d, %v, want 2, nil", n, err)
	}
	if n, err := p.sock.Send([][]byte{pattern(7)}); n != 1 || err != nil {
		t.Errorf("Send = %d, %v, want 1, nil", n, err)
	}
	p.wantReceived(t, pattern(5), pattern(6), pattern(7))
}
