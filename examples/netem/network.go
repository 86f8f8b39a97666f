package main

import (
	"math/rand/v2"
	"time"
)

// A network contains the settings of the emulation. The zero network does nothing.
type network struct {
	seed          uint64
	delay, jitter time.Duration
	distribution  distribution // of the jitter
	rate          bitRate

	loss, reorder, duplicate, corrupt share
	// correlation makes losses come in groups. After a lost packet, the
	// probability of a loss lies that far between loss and 1.
	correlation share

	mark uint32 // the mark of duplicates, which pass unchanged
}

// A share is a part of all packets, from 0 to 1.
type share float64

// A bitRate is a number of bits per second. 0 means no limit.
type bitRate uint64

// time returns how long the link is busy with n bytes.
func (r bitRate) time(n uint32) time.Duration {
	if r == 0 {
		return 0
	}
	return time.Duration(float64(n) * 8 / float64(r) * float64(time.Second))
}

// A fate describes what is to happen to one packet.
type fate struct {
	lost, reordered, duplicated, corrupted bool

	delay time.Duration
	bit   float64 // the position of the wrong bit in a corrupted packet, from 0 to 1
}

// A dice determines the fate of each packet.
type dice struct {
	network
	random *rand.Rand
	begun  bool // there was a previous packet
	lost   bool // the previous packet was lost
}

func newDice(n network) *dice {
	return &dice{network: n, random: rand.New(rand.NewPCG(n.seed, 0))}
}

// next returns the fate of the next packet. It always uses six random numbers, so
// those of a packet depend only on its number and the seed.
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

// chance returns the probability that the next packet is lost. For every
// correlation, its average over many packets is loss (a Markov chain of two states).
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

// later returns the delay for a random number.
func (d *dice) later(roll float64) time.Duration {
	delay := float64(d.delay) + d.distribution.at(roll)*float64(d.jitter)
	return time.Duration(min(max(0, delay), float64(maxTime)))
}
