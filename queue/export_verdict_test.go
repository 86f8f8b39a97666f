package queue

// SendVerdict sends an Accept for any id, past the bookkeeping.
func SendVerdict(q *Queue, id uint64) error {
	return q.writer.control([][]byte{q.kernel.appendAction(nil, id, Accept)})
}
