package queue

// AddStats adds one queue's counters to a sum.
func AddStats(sum, one *Stats) { sum.add(one) }
