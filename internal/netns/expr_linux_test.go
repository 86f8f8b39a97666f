package netns

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
)

func TestQueueExprs(t *testing.T) {
	for _, test := range []struct {
		name  string
		queue Queue
		want  []string
	}{
		{"one", Queue{First: 7},
			[]string{"queue 7 1 0", "3 [7 1 0]", "2 [7 1 0]", "1 [7 1]", "0 [7]"}},
		{"several", Queue{First: 7, Last: 9},
			[]string{"queue 7 3 0", "3 [7 3 0]", "2 [7 3 0]", "1 [7 3]"}},
		{"most", Queue{First: 1, Last: 65535},
			[]string{"queue 1 65535 0", "3 [1 65535 0]", "2 [1 65535 0]", "1 [1 65535]"}},
		{"bypass", Queue{First: 7, Bypass: true},
			[]string{"queue 7 1 1", "3 [7 1 1]", "2 [7 1 1]"}},
		{"fanout", Queue{First: 7, Last: 8, Fanout: true},
			[]string{"queue 7 2 2", "3 [7 2 2]"}},
		{"both", Queue{First: 7, Last: 8, Bypass: true, Fanout: true},
			[]string{"queue 7 2 3", "3 [7 2 3]"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			forms, err := test.queue.exprs()
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, form := range forms {
				got = append(got, describe(form))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("forms %q, want %q", got, test.want)
			}
		})
	}
}

// Labels are counted through the kernel's words.
func TestLabelData(t *testing.T) {
	for label, want := range map[uint8][2]uint64{1: {1 << 1}, 40: {1 << 40}, 64: {0, 1}, 127: {0, 1 << 63}} {
		b := labelData(label)
		got := [2]uint64{binary.NativeEndian.Uint64(b), binary.NativeEndian.Uint64(b[8:])}
		if strconv.IntSize == 32 {
			for i := range got {
				got[i] = uint64(binary.NativeEndian.Uint32(b[i*8:])) | uint64(binary.NativeEndian.Uint32(b[i*8+4:]))<<32
			}
		}
		if len(b) != 16 || got != want {
			t.Errorf("label %d is % x", label, b)
		}
	}
}

func describe(e expr.Any) string {
	if q, ok := e.(*expr.Queue); ok {
		return fmt.Sprint("queue ", q.Num, q.Total, q.Flag)
	}
	target := e.(*expr.Target)
	info := *target.Info.(*xt.Unknown)
	var words []uint16
	for ; len(info) > 0; info = info[2:] {
		words = append(words, binary.NativeEndian.Uint16(info))
	}
	return fmt.Sprint(target.Rev, " ", words)
}

func TestQueueExprsRefusesRange(t *testing.T) {
	for _, queue := range []Queue{{First: 0, Last: 65535}, {First: 9, Last: 8}} {
		if _, err := queue.exprs(); !errors.Is(err, errQueueRange) {
			t.Errorf("%d to %d: %v, want errQueueRange", queue.First, queue.Last, err)
		}
	}
}

// Each form, not only the first that succeeds, must be what the kernel takes.
func TestQueueExprsInKernel(t *testing.T) {
	if err := Inside(); err != nil {
		t.Skipf("needs namespaces: %v", err) // as testutil.Lacks, which this package cannot import
	}
	n, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	table, err := n.AddTable(IPv4, "forms")
	if err != nil {
		t.Fatal(err)
	}
	chain, err := table.AddChain(Input, 0)
	if err != nil {
		t.Fatal(err)
	}
	forms, err := Queue{First: 7}.exprs()
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range forms {
		t.Run(describe(form), func(t *testing.T) {
			err := chain.addExprs([]expr.Any{form})
			if errors.Is(err, syscall.ENOENT) {
				t.Skipf("needs each form of queue rules: %v", err)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
}
