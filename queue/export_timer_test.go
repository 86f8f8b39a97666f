package queue

// TimerArmed reports whether the timer of verdicts that wait for company runs.
func TimerArmed(q *Queue) bool {
	q.writer.mu.Lock()
	defer q.writer.mu.Unlock()
	return q.writer.armed
}
