package main

import (
	"math/rand/v2"
	"time"
)

// A network is what to do to packets. The zero network does nothing.
type network struct {
	seed          uint64
	delay, jitter time.Duration
	rate          bitRate

	loss, reorder, duplicate share

	mark uint32 // of duplicates, which are not for this network any more
}

// A share is a part of all packets, from 0 to 1.
type share float64

// A bitRate is a number of bits in a second. 0 means that there is no limit.
type bitRate uint64

// time is how long the link is busy with n bytes.
func (r bitRate) time(n uint32) time.Duration {
	if r == 0 {
		return 0
	}
	return time.Duration(float64(n) * 8 / float64(r) * float64(time.Second))
}

// A fate is what is to happen to one packet.
type fate struct {
	lost, reordered, duplicated bool

	delay time.Duration
}

// A dice gives each packet its fate.
type dice struct {
	network
	random *rand.Rand
}

func newDice(n network) *dice {
	return &dice{n, rand.New(rand.NewPCG(n.seed, 0))}
}

// next returns the fate of the next packet. It rolls four times for each, so
// that a packet's rolls depend on nothing but its number and the seed.
func (d *dice) next() (f fate) {
	f.lost = d.random.Float64() < float64(d.loss)
	f.reordered = d.random.Float64() < float64(d.reorder)
	f.delay = max(0, d.delay+time.Duration((2*d.random.Float64()-1)*float64(d.jitter)))
	f.duplicated = d.random.Float64() < float64(d.duplicate)
	if f.reordered {
		f.delay = 0
	}
	return f
}
