package queue

// Copies returns how many slots there are into which packets of that many
// bytes were copied, none of which is in use and nobody reading.
func Copies(q *Queue, size int) int {
	q.writer.mu.Lock()
	defer q.writer.mu.Unlock()
	class := classFor(size)
	return len(q.writer.free[class]) + len(q.reader.stash[class])
}
