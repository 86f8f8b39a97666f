package queue

import (
	"errors"
	"sync"

	"github.com/ipqueue/ipqueue/internal/sock"
)

// A links remembers the names of the network interfaces in the queue's
// namespace. What it remembers it forgets, all of it, whenever the kernel says
// that something changed, or that it could not say what.
type links struct {
	sock sock.Socket // the queue's

	mu      sync.RWMutex
	names   map[uint32]string
	changes uint64 // how often names was emptied
	watch   sock.Socket
	watched chan struct{} // closed at the end of the goroutine that watches
	state   watchState
}

// A watchState says whether names may be remembered.
type watchState uint8

const (
	unwatched watchState = iota // no name has been asked for yet
	watching
	unwatchable // the kernel has no way: each name is asked for
	ended       // the queue is closed
)

func (l *links) init(s sock.Socket) {
	l.sock = s
	l.names = make(map[uint32]string)
}

// name returns the interface's name, empty if there is no such interface.
func (l *links) name(index uint32) string {
	l.mu.RLock()
	name, known := l.names[index]
	state, changes := l.state, l.changes
	l.mu.RUnlock()
	switch {
	case known || state == ended:
		return name
	case state == unwatched:
		changes, _ = l.start()
	}
	name, err := l.sock.LinkName(index)
	if err == nil {
		l.remember(index, name, changes)
	}
	return name
}

// remember keeps a name that was asked for after that many changes. There must
// have been none since: the answer may be older.
func (l *links) remember(index uint32, name string, changes uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state == watching && l.changes == changes {
		l.names[index] = name
	}
}

// start begins to watch, before the first name is asked for. It returns the
// number of changes so far, and why there is no watch.
func (l *links) start() (changes uint64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state != unwatched {
		return l.changes, nil
	}
	watch, err := l.sock.Links()
	if err != nil {
		l.state = unwatchable
		return l.changes, err
	}
	l.watch, l.watched, l.state = watch, make(chan struct{}), watching
	go l.follow()
	return l.changes, nil
}

// follow forgets the names whenever an interface changed. The message itself
// is of no interest; ENOBUFS says that there were more than the socket held.
func (l *links) follow() {
	defer close(l.watched)
	batch := [1]sock.Datagram{{Buf: make([]byte, 64)}}
	for {
		_, err := l.watch.Receive(batch[:], nil)
		if errors.Is(err, sock.ErrClosed) {
			return
		}
		if !l.forget(err) {
			return
		}
	}
}

// forget empties the names. It reports false, and remembers no more of them, if
// err says that the watch is over.
func (l *links) forget(err error) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.names)
	l.changes++
	if err == nil || errors.Is(err, enobufs) {
		return true
	}
	if l.state == watching {
		l.state = unwatchable
	}
	return false
}

// close ends the watch, and returns when its goroutine has ended.
func (l *links) close() {
	l.mu.Lock()
	watch := l.watch
	l.state = ended
	l.mu.Unlock()
	if watch != nil {
		_ = watch.Close()
		<-l.watched
	}
}
