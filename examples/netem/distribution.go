package main

import (
	"errors"
	"math"
	"slices"
	"strings"
)

// A distribution is the probability distribution of the jitter of packets around 0.
type distribution uint8

const (
	uniform distribution = iota // evenly, from -1 to 1
	normal                      // with a standard deviation of 1
	pareto                      // the same, with most below 0 and a few far above
)

var distributions = []string{"uniform", "normal", "pareto"}

// at returns the value below which that part of all values lies.
func (d distribution) at(part float64) float64 {
	switch d {
	case normal:
		return math.Sqrt2 * math.Erfinv(2*part-1)
	case pareto:
		// The density falls with the fourth power: there is a variance, and no
		// more than that.
		const shape, mean, deviation = 3, 1.5, 0.8660254037844386
		return (math.Pow(1-part, -1./shape) - mean) / deviation
	}
	return 2*part - 1
}

func (d distribution) MarshalText() ([]byte, error) { return []byte(distributions[d]), nil }

func (d *distribution) UnmarshalText(text []byte) error {
	i := slices.Index(distributions, string(text))
	if i < 0 {
		return errors.New("want " + strings.Join(distributions, ", or "))
	}
	*d = distribution(i)
	return nil
}
