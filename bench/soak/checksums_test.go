package main

import (
	"maps"
	"testing"
)

func TestChecksumErrors(t *testing.T) {
	const snmp = "Icmp: InMsgs InErrors InCsumErrors OutMsgs\nIcmp: 20 1 2 3\n" +
		"IcmpMsg: OutType3\nIcmpMsg: 3\nTcp: MaxConn InCsumErrors\nTcp: -1 0\nUdp: InDatagrams InCsumErrors\nUdp: 7 8\n"
	const snmp6 = "Ip6InReceives   \t12\nUdp6InCsumErrors \t5\n"
	got := checksumErrors(snmp, snmp6)
	want := map[string]string{"IcmpInCsumErrors": "2", "TcpInCsumErrors": "0", "UdpInCsumErrors": "8", "Udp6InCsumErrors": "5"}
	if !maps.Equal(got, want) {
		t.Errorf("counters %v, want %v", got, want)
	}
}
