// Package numbers parses numbers on the command lines of the examples, and
// formats counts.
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
		if err != nil {
			return errors.New("want a number from 0 to 65535")
		}
		*to = uint16(n)
		return nil
	}
}

// Mark returns a function for flag.Func that stores a firewall mark, decimal, or
// hexadecimal after 0x as the rules show it.
func Mark(to *uint32) func(string) error {
	return func(s string) error {
		n, err := strconv.ParseUint(s, 0, 32)
		if err != nil {
			return errors.New("want a number of 32 bits such as 1 or 0x10")
		}
		*to = uint32(n)
		return nil
	}
}

// Count returns a number with a noun: "1 rule", "2 rules".
func Count[T int | uint64](n T, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return strconv.FormatInt(int64(n), 10) + " " + thing + "s"
}
