package ledger

import (
	"encoding/binary"
	"testing"
	"testing/synctest"
)

// A plainEncoder makes a message of 16 bytes of each verdict: id, mark, action
// and how many packets it decides.
type plainEncoder struct{}

func (plainEncoder) AppendVerdict(b []byte, id uint64, v Verdict) []byte {
	return plainEncoder{}.AppendBatch(b, id, v, 1)
}

func (plainEncoder) AppendBatch(b []byte, id uint64, v Verdict, n int) []byte {
	b = binary.LittleEndian.AppendUint64(b, id)
	b = binary.LittleEndian.AppendUint32(b, v.Mark)
	return binary.LittleEndian.AppendUint32(b, uint32(n)<<8|uint32(v.Action))
}

func (plainEncoder) Stamp([]byte)                    {}
func (plainEncoder) OneEach() bool                   { return false }
func (plainEncoder) Batches(v Verdict) bool          { return v.Action != 0 }
func (plainEncoder) Reaches(first, last uint64) bool { return last-first < 1<<20 }

// TestSendTimer makes verdicts wait for others. The timer runs while they wait,
// and not after they have been sent, so that it never fires unnecessarily.
func TestSendTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 10
		l := New(Config{
			Encoder: plainEncoder{}, MaxUndecided: n,
			Send:    func(d [][]byte) (int, error) { return len(d), nil },
			Backlog: func() bool { return false },
		})
		in := NewIntake(l)
		var slots [n]*Slot
		for i := range slots {
			slots[i], _, _ = in.Slot(uint64(i+1), 100)
		}
		in.Enter(true)
		for i, s := range slots {
			if i == n-1 {
				in.SocketEmpty()
			}
			if err := s.Decide(uint64(i+1), Verdict{Action: 1}); err != nil {
				t.Fatal(err)
			}
			if waits := i < n-1; l.out.armed != waits {
				t.Errorf("after verdict %d of %d the timer runs: %v, want %v", i+1, n, !waits, waits)
			}
		}
	})
}

// TestRequestAfterLast makes a request wait while the last one is sent, or
// while the ledger closes. It is sent before that, or not at all.
func TestRequestAfterLast(t *testing.T) {
	for _, closes := range []bool{false, true} {
		for range 100 {
			synctest.Test(t, func(t *testing.T) {
				hold := make(chan struct{})
				var requests []string
				l := New(Config{
					Encoder: plainEncoder{}, MaxUndecided: 1,
					Send:    func(d [][]byte) (int, error) { <-hold; return len(d), nil },
					Request: func(d [][]byte) (int, error) { requests = append(requests, string(d[0])); return len(d), nil },
					Backlog: func() bool { return false },
				})
				in := NewIntake(l)
				s, seq, _ := in.Slot(1, 100)
				in.Enter(false)
				go s.Decide(seq, Verdict{Action: 1})
				synctest.Wait()
				result := make(chan error)
				go func() { result <- l.Request([]byte("request")) }()
				synctest.Wait()
				go func() {
					if closes {
						l.Close(0)
					} else if err := l.LastRequest([][]byte{[]byte("last")}); err != nil {
						t.Error(err)
					}
				}()
				synctest.Wait()
				close(hold)
				err := <-result
				synctest.Wait()
				sent := len(requests) > 0 && requests[0] == "request"
				if (err == nil) != sent || !sent && err != ErrClosed || closes && sent {
					t.Errorf("Request = %v, sent: %q", err, requests)
				}
				if !closes && requests[len(requests)-1] != "last" {
					t.Errorf("sent: %q", requests)
				}
			})
		}
	}
}
