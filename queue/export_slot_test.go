package queue

// Copies returns how many free slots there are into which packets of that many
// bytes were copied. Nobody may be reading from q.
func Copies(q *Queue, size int) int {
	q.writer.mu.Lock()
	defer q.writer.mu.Unlock()
	class := classFor(size)
	return len(q.writer.free[class]) + len(q.reader.stash[class])
}
