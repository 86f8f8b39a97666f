package main

import (
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/ipqueue/ipqueue/queue"
)

var update = flag.Bool("update", false, "write the golden files anew")

var noon = time.Date(2024, 5, 6, 12, 0, 0, 0, time.UTC)

func udp(from, to string) queue.Flow {
	return queue.Flow{Protocol: 17, Source: netip.MustParseAddrPort(from), Destination: netip.MustParseAddrPort(to)}
}

// idle returns a model of a queue without packets.
func idle() model {
	s := sample{at: noon, room: 512}
	return model{title: "Queue 3", look: look{unicode: true}, begin: noon, before: s, now: s, width: 80, height: 24}
}

// busy returns a model of a busy queue, two seconds after idle.
func busy() model {
	m := idle()
	m.now = sample{
		at: noon.Add(2 * time.Second),
		stats: queue.Stats{
			Received: 2468, Decided: 2460, Accepted: 2460, Undecided: 8, Missed: 12_345_678,
			OldestUndecided: 1234567 * time.Nanosecond, ReadBuffer: 8 << 20,
			Kernel: queue.KernelStats{Pending: 9, LastID: 2469, QueueDropped: 1, SocketDropped: 2},
		},
		waiting: 7, room: 512,
		talkers: []talker{
			{udp("[2001:db8::1]:4660", "[2001:db8::2]:53"), count{1200, 1_500_000}},
			{udp("192.0.2.1:4660", "192.0.2.2:53"), count{1000, 60_000}},
			{queue.Flow{}, count{268, 9000}},
		},
		total: count{2468, 1_569_000},
	}
	for i := range 70 {
		m.past.packets = remember(m.past.packets, float64((i*i)%1500))
		m.past.bits = remember(m.past.bits, float64(i))
		m.past.lost = remember(m.past.lost, float64(i/60*6))
	}
	return m
}

func colored(m model) model {
	m.look.color = true
	return m
}

func ascii(m model) model {
	m.look.unicode = false
	return m
}

func crowded() model {
	m := busy()
	m.now.talkers = nil
	for i := range 40 {
		source := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 1000)
		m.now.talkers = append(m.now.talkers, talker{queue.Flow{Protocol: 6, Source: source, Destination: source}, count{uint64(80 - i), 4000}})
	}
	m.now.others = count{1_000_000, 1_000_000_000}
	return m
}

func sized(m model, width, height int) model {
	m.width, m.height = width, height
	return m
}

func withoutKernel() model {
	m := idle()
	m.now.stats.Kernel = queue.KernelStats{Err: errors.New("no row\nin /proc")}
	return m
}

// TestView compares views with files in testdata. The flag -update writes these
// files.
func TestView(t *testing.T) {
	for _, test := range []struct {
		name  string
		model model
	}{
		{"idle", idle()},
		{"busy", busy()},
		{"crowded", crowded()},
		{"narrow", sized(busy(), 40, 24)},
		{"narrow_crowded", sized(crowded(), 40, 30)},
		{"wide", sized(busy(), 200, 24)},
		{"low", sized(crowded(), 80, 10)},
		{"high", sized(crowded(), 100, 30)},
		{"ascii", ascii(busy())},
		{"color", colored(busy())},
		{"no_kernel_row", withoutKernel()},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := test.model.View()
			golden(t, test.name+".txt", got+"\n")
			if again := test.model.View(); again != got {
				t.Errorf("shown again\n%s\nwant the same as before\n%s", again, got)
			}
			if !test.model.look.color {
				fits(t, got, test.model.width, test.model.height)
			}
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant (%s)\n%s", got, path, want)
	}
}

func fits(t *testing.T, shown string, width, height int) {
	t.Helper()
	lines := strings.Split(shown, "\n")
	if len(lines) > height {
		t.Errorf("%d lines on a screen of %d", len(lines), height)
	}
	for _, line := range lines {
		if n := utf8.RuneCountInString(line); n > width {
			t.Errorf("%d columns on a screen of %d: %q", n, width, line)
		}
	}
}

// TestViewIsComplete checks that the view contains every counter of Stats, by
// its name or under another one.
func TestViewIsComplete(t *testing.T) {
	m := sized(idle(), 80, 60)
	next := fill(reflect.ValueOf(&m.now.stats).Elem(), 1000)
	fill(reflect.ValueOf(&m.now.stats.Kernel).Elem(), next)
	shown := m.View()
	want := map[string]string{"OldestUndecided": "oldest 1µs", "ReadBuffer": "read buffer " + si(float64(m.now.stats.ReadBuffer), "B")}
	hidden := map[string]bool{"OldestUndecided": true, "ReadBuffer": true, "Pending": true, "LastID": true} // names
	for _, v := range []any{m.now.stats, m.now.stats.Kernel} {
		for i, f := range reflect.VisibleFields(reflect.TypeOf(v)) {
			text := want[f.Name]
			if text == "" {
				text = fmt.Sprint(reflect.ValueOf(v).Field(i))
			}
			if f.Name == "Err" || f.Name == "Kernel" {
				continue
			}
			if !hidden[f.Name] && !strings.Contains(shown, f.Name) || !strings.Contains(shown, text) {
				t.Errorf("%s (%s) is not shown:\n%s", f.Name, text, shown)
			}
		}
	}
}

// fill sets each number of a struct to a different value, starting with n.
func fill(s reflect.Value, n uint64) uint64 {
	for i := range s.NumField() {
		switch f := s.Field(i); {
		case f.CanUint():
			f.SetUint(n)
		case f.CanInt():
			f.SetInt(int64(n))
		default:
			continue
		}
		n++
	}
	return n
}

func TestSI(t *testing.T) {
	for _, test := range []struct {
		v    float64
		want string
	}{
		{0, "0 B"}, {0.25, "0.25 B"}, {999.4, "999 B"}, {999.5, "1.00 kB"}, {1234, "1.23 kB"}, {8 << 20, "8.39 MB"},
		{5e9, "5.00 GB"}, {2e12, "2.00 TB"}, {18446744073709551615, "18.4 EB"}, {1e24, "1e+06 EB"},
	} {
		if got := si(test.v, "B"); got != test.want {
			t.Errorf("si(%v) = %q, want %q", test.v, got, test.want)
		}
	}
}

func TestShort(t *testing.T) {
	for n, want := range map[uint64]string{0: "0", 9_999_999: "9999999", 10_000_000: "10.0 M", 1<<64 - 1: "18.4 E"} {
		if got := short(n); got != want {
			t.Errorf("short(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestBar(t *testing.T) {
	for _, test := range []struct {
		part float64
		want string
	}{
		{0, "...."}, {0.001, "#..."}, {0.5, "##.."}, {0.99, "####"}, {1, "####"}, {2, "####"},
	} {
		used, rest := look{}.bar(test.part, 4)
		if used+rest != test.want {
			t.Errorf("bar(%v) = %q, %q, want %q", test.part, used, rest, test.want)
		}
	}
}

func TestSpark(t *testing.T) {
	for _, test := range []struct {
		values []float64
		width  int
		want   string
	}{
		{nil, 3, ""}, {[]float64{0, 0}, 3, "▁▁"}, {[]float64{7, 0, 1, 7}, 3, "▁▂█"}, {[]float64{0, 1, 1e9}, 3, "▁▂█"}, {[]float64{5}, 1, "█"},
	} {
		if got := (look{unicode: true}).spark(test.values, test.width); got != test.want {
			t.Errorf("spark(%v, %d) = %q, want %q", test.values, test.width, got, test.want)
		}
	}
}

func TestRender(t *testing.T) {
	l := line{{"red", bad}, {" and ", plain}, {"blue  ", faint}}
	for _, test := range []struct {
		look  look
		width int
		want  string
	}{
		{look{}, 80, "red and blue"},
		{look{color: true}, 80, "\x1b[1;31mred\x1b[m and \x1b[2mblue\x1b[m"},
		{look{color: true, unicode: true}, 5, "\x1b[1;31mred\x1b[m …"},
		{look{}, 5, "red ~"}, {look{}, 1, "~"},
	} {
		if got := test.look.render(l, test.width); got != test.want {
			t.Errorf("render at %d = %q, want %q", test.width, got, test.want)
		}
	}
}

func TestLookOf(t *testing.T) {
	for _, test := range []struct {
		env  map[string]string
		want look
	}{
		{nil, look{color: true}},
		{map[string]string{"LANG": "en_US.UTF-8"}, look{true, true}},
		{map[string]string{"LANG": "en_US.UTF-8", "LC_ALL": "C"}, look{true, false}},
		{map[string]string{"LC_CTYPE": "C.utf8", "NO_COLOR": "1"}, look{false, true}},
		{map[string]string{"TERM": "dumb"}, look{}},
	} {
		if got := lookOf(func(name string) string { return test.env[name] }); got != test.want {
			t.Errorf("%v: %+v, want %+v", test.env, got, test.want)
		}
	}
}

// TestEverySizeFits checks that the view fits the screen, whatever its size.
func TestEverySizeFits(t *testing.T) {
	for _, m := range []model{idle(), busy(), crowded(), withoutKernel()} {
		for width := 1; width <= 220; width += 3 {
			for _, height := range []int{1, 7, 24, 60} {
				fits(t, sized(m, width, height).View(), width, height)
			}
		}
	}
}

func TestLine(t *testing.T) {
	got := columns + busy().line()
	golden(t, "line.txt", got)
	for l := range strings.Lines(got) {
		if len(l) != len(columns) {
			t.Errorf("%d columns below %d: %q", len(l), len(columns), l)
		}
	}
}
