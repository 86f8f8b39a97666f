package main

import (
	"math/rand/v2"
	"time"
)

// A network is what to do to packets. The zero network does nothing.
type network struct {
	seed          uint64
	delay, jitter time.Duration
	distribution  distribution // of the jitter
	rate          bitRate

	loss, reorder, duplicate, corrupt share
	// correlation is how far a packet shares the fate of the one before it: if
	// that was lost this one is too, with a probability between loss and 1.
	correlation share

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
	lost, reordered, duplicated, corrupted bool

	delay time.Duration
	bit   float64 // that is wrong in a corrupted packet, as a part of all
}

// A dice gives each packet its fate.
type dice struct {
	network
	random *rand.Rand
	begun  bool // there was a packet before
	lost   bool // it was lost
}

func newDice(n network) *dice {
	return &dice{network: n, random: rand.New(rand.NewPCG(n.seed, 0))}
}

// next returns the fate of the next packet. It rolls six times for each, so
// that a packet's rolls depend on nothing but its number and the seed.
func (d *dice) next() (f fate) {
	f.lost = d.random.Float64() < d.chance()
	f.reordered = d.random.Float64() < float64(d.reorder)
	f.delay = d.later(d.random.Float64())
	f.duplicated = d.random.Float64() < float64(d.duplicate)
	f.corrupted = d.random.Float64() < float64(d.corrupt)
	f.bit = d.random.Float64()
	if f.reordered {
		f.delay = 0
	}
	d.begun, d.lost = true, f.lost
	return f
}

// chance is that of the next packet to be lost. Over many packets it is loss on
// average, whatever the correlation (a Markov chain of two states).
func (d *dice) chance() float64 {
	p, rho := float64(d.loss), float64(d.correlation)
	switch {
	case !d.begun:
		return p
	case d.lost:
		return p + rho*(1-p)
	}
	return p * (1 - rho)
}

// later is the delay for a roll.
func (d *dice) later(roll float64) time.Duration {
	delay := float64(d.delay) + d.distribution.at(roll)*float64(d.jitter)
	return time.Duration(min(max(0, delay), float64(maxTime)))
}
