package main

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/ipqueue/ipqueue/queue"
)

// A need is traffic that most machines need.
type need struct {
	name, lines string    // its name, and lines of a policy that accept it
	packet      traveller // an example of it
}

// sample returns the flow of an example.
func sample(protocol uint8, from, to string) queue.Flow {
	return queue.Flow{Protocol: protocol, Source: netip.MustParseAddrPort(from), Destination: netip.MustParseAddrPort(to)}
}

// needs are the traffic that warnings checks. It does not include replies,
// which pass because of the mark of their connection. The answers of DHCPv6
// servers are no such replies: they are answers to a multicast.
var needs = []need{
	{"ssh to this machine", "accept tcp to port 22", traveller{in: "eth0", flow: sample(tcp, "192.0.2.1:40000", "192.0.2.2:22")}},
	{"names (DNS)", "accept udp to port 53", traveller{out: "eth0", flow: sample(udp, "192.0.2.2:40000", "192.0.2.1:53")}},
	{"addresses (DHCP)", "accept udp to port 67", traveller{out: "eth0", flow: sample(udp, "192.0.2.2:68", "192.0.2.1:67")}},
	{"IPv6 addresses (DHCPv6)", "accept udp to port 546-547", traveller{in: "eth0", flow: sample(udp, "[fe80::1]:547", "[fe80::2]:546")}},
	{"loopback", "accept in lo; accept out lo", traveller{in: "lo", flow: sample(tcp, "127.0.0.1:40000", "127.0.0.1:80")}},
}

// neighbour is a message of neighbour discovery.
var neighbour = traveller{in: "eth0", flow: sample(icmp6, "[fe80::1]:0", "[ff02::1:ff00:2]:0"), icmp: []byte{135, 0}}

// warnings returns a sentence for each need that the policy would block.
// tracked reports whether replies pass because of the mark of their connection.
func (p *policy) warnings(tracked bool) (list []string) {
	if a, line := p.decide(neighbour); a != accept {
		list = append(list, fmt.Sprintf("line %d disables IPv6 on Ethernet: it %ss neighbour discovery", line, a))
	}
	if p.standard == accept {
		return list
	}
	var names, lines []string
	for _, n := range needs {
		if !p.mayAccept(n.packet) {
			names, lines = append(names, n.name), append(lines, n.lines)
		}
	}
	if len(names) > 0 {
		list = append(list, fmt.Sprintf("no line accepts %s; if packets of this kind reach the queue, add: %s",
			strings.Join(names, ", "), strings.Join(lines, "; ")))
	}
	if !tracked {
		for _, r := range p.rules {
			if r.action == accept && r.to.last > 0 && !p.mayAcceptAnswers(r) {
				list = append(list, fmt.Sprintf("no line accepts the answers to what line %d accepts: "+
					"with -mark 0 each packet is judged by itself", r.line))
			}
		}
	}
	return list
}

// mayAccept reports whether some rule accepts packets of the kind, if only with
// certain addresses or interfaces.
func (p *policy) mayAccept(t traveller) bool {
	for _, r := range p.rules {
		if r.action == accept && r.concerns(t) {
			return true
		}
	}
	return false
}

func (p *policy) mayAcceptAnswers(to rule) bool {
	answer := traveller{flow: sample(to.protocol, "192.0.2.1:1", "192.0.2.2:40000")}
	answer.flow.Source = netip.AddrPortFrom(answer.flow.Source.Addr(), to.to.first)
	in, out := answer, answer
	in.in, out.out = "eth0", "eth0"
	return p.mayAccept(in) || p.mayAccept(out)
}

// concerns reports whether the rule can match traffic like an example: with any
// address, and any interface of the same direction, except that loopback
// differs from all others.
func (r rule) concerns(t traveller) bool {
	side := func(l link, name string) bool {
		return l == "" || l.matches(name) || name != "" && name != "lo" && l != "lo"
	}
	return (r.protocol == 0 || r.protocol == t.flow.Protocol) && !r.icmp.set &&
		side(r.in, t.in) && side(r.out, t.out) &&
		r.from.hasPort(t.flow.Source.Port()) && r.to.hasPort(t.flow.Destination.Port())
}
