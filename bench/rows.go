package main

import (
	"fmt"
	"regexp"

	"github.com/ipqueue/ipqueue/bench/internal/load"
)

// A scene is the load and the verdict that the rows of one table share. The
// documents call it a load.
type scene struct {
	name    string
	about   string
	spec    load.Spec
	verdict string
	free    bool // processes are not bound to processors
}

// A contender is a consumer: one of ours, or a peer.
type contender struct {
	name  string
	about string
	ours  consumerSpec
	peer  command // nil for ours
	isGo  bool    // the consumer reports its allocations
}

// isOurs reports whether the contender uses the library.
func (c contender) isOurs() bool { return c.peer == nil }

// A row is a scene and a contender, which are measured together.
type row struct {
	scene     scene
	contender contender
}

func (r row) name() string { return r.scene.name + "/" + r.contender.name }

// Names of contenders that marks and charts refer to.
const (
	packets     = "packets"
	packetsEach = "packets-each"
	all         = "all"
	allEach     = "all-each"
	shuffled    = "packets-shuffled"
	cLibnfq     = "c-libnfq"
	cMany       = "c-many"
	cBatch      = "c-batch"

	goNFQueueCallback = "go-nfqueue"
	goNFQueueChannel  = "go-nfqueue-channel"
)

// shufflers is the number of goroutines that give verdicts out of order.
const shufflers = 64

// contenders returns all contenders, including the peers that could be built.
func contenders(consumers int, commands map[string]command) []contender {
	list := []contender{
		{name: packets, about: "Packets, one consumer", ours: consumerSpec{Take: "packets", Workers: 1}},
		{name: fmt.Sprintf("packets-x%d", consumers), about: fmt.Sprintf("Packets, %d consumers", consumers), ours: consumerSpec{Take: "packets", Workers: consumers}},
		{name: all, about: "All", ours: consumerSpec{Take: "all"}},
		{name: packetsEach, about: "Packets, one consumer, a verdict message for each packet (OnRefused is set)", ours: consumerSpec{Take: "packets", Workers: 1, Each: true}},
		{name: allEach, about: "All, a verdict message for each packet (OnRefused is set)", ours: consumerSpec{Take: "all", Each: true}},
		{name: shuffled, about: fmt.Sprintf("Packets, %d consumers that give verdicts out of order", shufflers), ours: consumerSpec{Take: "shuffled", Workers: shufflers}},
	}
	for i := range list {
		list[i].isGo = true
	}
	for _, p := range peers {
		if c, ok := commands[p.name]; ok {
			list = append(list, contender{name: p.name, about: p.about, peer: c, isGo: p.source == ""})
		}
	}
	return list
}

// scenes returns all scenes.
func scenes(sizes []int) []scene {
	var list []scene
	for _, size := range sizes {
		list = append(list, floodOf(size, "accept"))
	}
	list = append(list, floodOf(sizes[0], "drop"), floodOf(sizes[0], "mark"), floodOf(sizes[0], "replace"), freely(floodOf(sizes[0], "accept")))
	tcp := acceptOf("tcp", "one TCP stream over a veth pair, packets up to 64 KiB (GSO)", load.Spec{Kind: load.TCP})
	latency := acceptOf("latency", "UDP datagrams of 64 bytes over loopback, one at a time", load.Spec{Kind: load.OneByOne, Size: 64})
	return append(list,
		acceptOf("icmp", "echo requests of 56 bytes and their replies over loopback", load.Spec{Kind: load.ICMP, Size: 56}),
		tcp, freely(tcp), latency, freely(latency))
}

func acceptOf(name, about string, spec load.Spec) scene {
	return scene{name: name, about: about, spec: spec, verdict: "accept"}
}

// freely returns the same scene without binding processes to processors.
func freely(s scene) scene {
	s.name += "-free"
	s.about += ", no process bound to a processor"
	s.free = true
	return s
}

// segmented reports whether the kernel splits large messages into datagrams and
// queues these one by one.
func (s scene) segmented() bool { return s.spec.Kind == load.UDP }

func floodOf(size int, verdict string) scene {
	s := scene{
		name:    floodName(size),
		about:   fmt.Sprintf("flood of UDP datagrams of %d bytes over loopback", size),
		spec:    load.Spec{Kind: load.UDP, Size: size},
		verdict: verdict,
	}
	if verdict != "accept" {
		s.name += "-" + verdict
		s.about += ", " + aboutVerdict[verdict]
	}
	return s
}

// aboutVerdict describes the verdicts other than "accept". The mark does not change,
// because the kernel would route each packet with a new mark again, which takes
// longer than anything that a consumer does.
var aboutVerdict = map[string]string{
	"drop":    "dropped",
	"mark":    "accepted with the mark they have",
	"replace": "replaced",
}

func floodName(size int) string { return fmt.Sprintf("udp-%d", size) }

// takesPart reports whether a contender is measured in a scene.
func takesPart(s scene, c contender) bool {
	switch {
	case s.verdict == "drop":
		return c.name == packets || c.name == all || c.name == cMany || c.name == cBatch
	case s.verdict == "replace", s.verdict == "mark":
		return c.name == packets || c.name == all
	case s.spec.Kind == load.UDP && !s.free:
		return true
	}
	return c.name == packets || c.name == all || !c.isOurs()
}

// selectRows returns the rows whose names match.
func selectRows(scenes []scene, contenders []contender, match *regexp.Regexp) []row {
	var rows []row
	for _, s := range scenes {
		for _, c := range contenders {
			if r := (row{s, c}); takesPart(s, c) && match.MatchString(r.name()) {
				r.contender.ours.Verdict = s.verdict
				r.contender.ours.Segments = s.segmented()
				rows = append(rows, r)
			}
		}
	}
	return rows
}
