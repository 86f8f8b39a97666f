package cli

import (
	"fmt"
	"os"
	"strings"
)

// A Screen is how a program's output is shown. The zero Screen is for a file or
// a pipe.
type Screen struct {
	Width int // in columns, 0 if lines may have any length
	Color bool
}

// ScreenOf returns the Screen of a file, from its terminal, if it is one, and
// from the environment.
func ScreenOf(f *os.File, getenv func(string) string) Screen {
	width := columns(f)
	return Screen{
		Width: width,
		Color: width > 0 && getenv("NO_COLOR") == "" && getenv("TERM") != "" && getenv("TERM") != "dumb",
	}
}

// A Color is a style of text (ECMA-48, SGR) that can be read on light and on dark
// screens.
type Color string

// The colors.
const (
	Red    Color = "1;31"
	Green  Color = "32"
	Yellow Color = "33"
)

// Paint returns the text in the color, if the screen has colors.
func (s Screen) Paint(c Color, text string) string {
	if !s.Color {
		return text
	}
	return fmt.Sprintf("\x1b[%sm%s\x1b[m", c, text)
}

// Wrap breaks the text into lines that fit beside a margin of so many columns.
// It breaks at spaces only.
func (s Screen) Wrap(text string, margin int) []string {
	if s.Width == 0 || margin+len(text) <= s.Width {
		return []string{text}
	}
	var lines []string
	for word := range strings.FieldsSeq(text) {
		if n := len(lines); n > 0 && margin+len(lines[n-1])+1+len(word) <= s.Width {
			lines[n-1] += " " + word
		} else {
			lines = append(lines, word)
		}
	}
	return lines
}
