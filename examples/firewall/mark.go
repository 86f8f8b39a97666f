package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A mark is a value of some bits of a packet's firewall mark. The other bits
// belong to other programs and stay as they are. The zero value is no mark.
type mark struct{ value, mask uint32 }

// on reports whether the mark of a packet has the value.
func (m mark) on(packet uint32) bool { return m.mask != 0 && packet&m.mask == m.value }

// clashes reports whether the marks use the same bits with the same values.
func (m mark) clashes(other mark) bool {
	common := m.mask & other.mask
	return common != 0 && m.value&common == other.value&common
}

// String returns the mark in the syntax of rules.
func (m mark) String() string {
	if m == (mark{}) {
		return "0"
	}
	return fmt.Sprintf("%#x/%#x", m.value, m.mask)
}

// Set implements flag.Value. It parses VALUE or VALUE/MASK, decimal or
// hexadecimal with 0x. The default of the mask is the value.
func (m *mark) Set(s string) error {
	value, mask, masked := strings.Cut(s, "/")
	if !masked {
		mask = value
	}
	v, errV := strconv.ParseUint(value, 0, 32)
	k, errK := strconv.ParseUint(mask, 0, 32)
	switch {
	case errV != nil || errK != nil:
		return errors.New("want a number of 32 bits such as 1 or 0x10, or two as in 0x10/0xf0")
	case v&^k != 0:
		return fmt.Errorf("%#x has bits outside its mask %#x", v, k)
	case v == 0 && masked:
		return errors.New("packets that are not decided yet have value 0")
	}
	*m = mark{uint32(v), uint32(k)}
	return nil
}
