package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// checkChecksums fails if the namespace has ever received a packet with a wrong
// checksum.
func checkChecksums() error {
	names, err1 := os.ReadFile("/proc/self/net/snmp")
	names6, err2 := os.ReadFile("/proc/self/net/snmp6")
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	counters := checksumErrors(string(names), string(names6))
	for name, n := range counters {
		if n != "0" {
			return fmt.Errorf("%s packets have arrived with a wrong checksum: %s", n, name)
		}
	}
	return nil
}

// checksumErrors returns the counters of checksum errors in the texts of snmp, which
// has a line of names and a line of numbers for each protocol, and snmp6, which has a
// line for each counter.
func checksumErrors(snmp, snmp6 string) map[string]string {
	counters := make(map[string]string)
	add := func(name, n string) {
		if strings.HasSuffix(name, "InCsumErrors") {
			counters[name] = n
		}
	}
	var names []string
	for line := range strings.Lines(snmp) {
		fields := strings.Fields(line)
		if len(names) != len(fields) || names[0] != fields[0] {
			names = fields
			continue
		}
		for i, n := range fields {
			add(strings.TrimSuffix(names[0], ":")+names[i], n)
		}
	}
	for line := range strings.Lines(snmp6) {
		if fields := strings.Fields(line); len(fields) == 2 {
			add(fields[0], fields[1])
		}
	}
	return counters
}
