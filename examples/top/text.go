package main

import (
	"cmp"
	"fmt"
	"strings"
)

// A look is how text is shown.
type look struct {
	color   bool
	unicode bool // blocks for pictures, instead of ASCII
}

// lookOf returns the look for the environment.
func lookOf(getenv func(string) string) look {
	locale := strings.ToLower(cmp.Or(getenv("LC_ALL"), getenv("LC_CTYPE"), getenv("LANG")))
	return look{
		color:   getenv("NO_COLOR") == "" && getenv("TERM") != "dumb",
		unicode: strings.Contains(locale, "utf-8") || strings.Contains(locale, "utf8"),
	}
}

// A style is the control sequence before a text (ECMA-48, SGR). Each style is
// readable on light and on dark screens.
type style string

const (
	plain  style = ""
	strong style = "1"
	faint  style = "2"
	bad    style = "1;31" // red
	good   style = "32"   // green
)

// A span is a text of one style, a line several of them. All characters are one
// column wide.
type span struct {
	text  string
	style style
}

type line []span

// add appends formatted text to the line.
func (l *line) add(s style, format string, args ...any) {
	*l = append(*l, span{fmt.Sprintf(format, args...), s})
}

// width is how many columns the line takes.
func (l line) width() (n int) {
	for _, s := range l {
		n += len([]rune(s.text))
	}
	return n
}

// render returns the line, cut to the width.
func (k look) render(l line, width int) string {
	var b strings.Builder
	if l.width() > width {
		l = k.cut(l, width)
	}
	for i, s := range l {
		text := s.text
		if i == len(l)-1 {
			text = strings.TrimRight(text, " ")
		}
		if s.style == plain || !k.color || text == "" {
			b.WriteString(text)
			continue
		}
		fmt.Fprintf(&b, "\x1b[%sm%s\x1b[m", s.style, text)
	}
	return b.String()
}

// cut shortens the line to the width, and shows that it did.
func (k look) cut(l line, width int) (short line) {
	end := "~"
	if k.unicode {
		end = "…"
	}
	for _, s := range l {
		characters := []rune(s.text)
		if len(characters) >= width {
			return append(short, span{string(characters[:max(width-1, 0)]) + end, s.style})
		}
		width -= len(characters)
		short = append(short, s)
	}
	return short
}

// spark draws the last of the values as columns, the largest full, in at most
// the width.
func (k look) spark(values []float64, width int) string {
	levels := []rune("_.:-=+*#")
	if k.unicode {
		levels = []rune("▁▂▃▄▅▆▇█")
	}
	values = values[max(0, len(values)-width):]
	most := peak(values)
	var picture []rune
	for _, v := range values {
		level := 0
		if most > 0 {
			level = int(v / most * float64(len(levels)-1))
			if v > 0 {
				level = max(level, 1) // to be told from nothing
			}
		}
		picture = append(picture, levels[level])
	}
	return string(picture)
}

// peak is the largest value.
func peak(values []float64) (most float64) {
	for _, v := range values {
		most = max(most, v)
	}
	return most
}

// bar draws a part of a whole, from 0 to 1, and the rest.
func (k look) bar(part float64, width int) (used, rest string) {
	full, empty := "#", "."
	if k.unicode {
		full, empty = "█", "░"
	}
	n := int(part*float64(width) + 0.5)
	if part > 0 {
		n = max(n, 1)
	}
	n = min(n, width)
	return strings.Repeat(full, n), strings.Repeat(empty, width-n)
}

// part draws a part of a whole, from 0 to 1, as exactly as the characters allow.
func (k look) part(part float64, width int) string {
	if !k.unicode {
		used, _ := k.bar(part, width)
		return used
	}
	eighths := []string{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"}
	n := int(part*float64(8*width) + 0.5)
	if part > 0 {
		n = max(n, 1)
	}
	n = min(n, 8*width)
	return strings.Repeat("█", n/8) + eighths[n%8]
}

// short shows a number in seven characters, exactly if that is enough.
func short(n uint64) string {
	if n < 10_000_000 {
		return fmt.Sprint(n)
	}
	return si(float64(n), "")
}

// si shows three digits and the unit with its prefix.
func si(v float64, unit string) string {
	prefixes := []string{"", "k", "M", "G", "T", "P", "E"}
	i := 0
	for ; v >= 999.5 && i < len(prefixes)-1; i++ {
		v /= 1000
	}
	format := "%.3g %s%s"
	switch {
	case i > 0 && v < 9.995:
		format = "%.2f %s%s"
	case i > 0 && v < 99.95:
		format = "%.1f %s%s"
	}
	return strings.TrimRight(fmt.Sprintf(format, v, prefixes[i], unit), " ")
}
