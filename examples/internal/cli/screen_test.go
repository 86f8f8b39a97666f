package cli

import (
	"os"
	"slices"
	"testing"
)

func TestScreenOfFile(t *testing.T) {
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got := ScreenOf(f, func(string) string { return "xterm" }); got != (Screen{}) {
		t.Errorf("%s is a screen: %+v", os.DevNull, got)
	}
}

func TestPaint(t *testing.T) {
	if got, want := (Screen{Color: true}).Paint(Green, "x"), "\x1b[32mx\x1b[m"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := (Screen{}).Paint(Green, "x"); got != "x" {
		t.Errorf("without colors %q", got)
	}
}

func TestWrap(t *testing.T) {
	const text = "one two three fourteen"
	for _, tt := range []struct {
		width, margin int
		want          []string
	}{
		{0, 100, []string{text}},
		{22, 0, []string{text}},
		{22, 1, []string{"one two three", "fourteen"}},
		{10, 2, []string{"one two", "three", "fourteen"}},
		{4, 2, []string{"one", "two", "three", "fourteen"}},
	} {
		if got := (Screen{Width: tt.width}).Wrap(text, tt.margin); !slices.Equal(got, tt.want) {
			t.Errorf("width %d, margin %d: %q, want %q", tt.width, tt.margin, got, tt.want)
		}
	}
}
