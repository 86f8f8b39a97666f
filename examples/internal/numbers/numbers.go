// Package numbers reads the numbers of the examples' command lines.
package numbers

import (
	"errors"
	"strconv"
)

// Decimal returns a function for flag.Func that stores a number from 0 to 65535,
// such as that of a queue.
func Decimal(to *uint16) func(string) error {
	return func(s string) error {
		n, err := strconv.ParseUint(s, 10, 16)
		*to = uint16(n)
		return errors.Unwrap(err) // the flag and its value are told already
	}
}

// Mark returns a function for flag.Func that stores a firewall mark, decimal, or
// hexadecimal after 0x as the rules show it.
func Mark(to *uint32) func(string) error {
	return func(s string) error {
		n, err := strconv.ParseUint(s, 0, 32)
		*to = uint32(n)
		return errors.Unwrap(err)
	}
}

// Count returns a number of things in words: "1 rule", "2 rules".
func Count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return strconv.Itoa(n) + " " + thing + "s"
}
