package queue

import (
	"errors"
	"fmt"
	"sync"

	"github.com/ipqueue/ipqueue/internal/sock"
)

// A Device is a network interface of a packet. Devices of the same queue can be
// compared with ==. A Device stays valid after the verdict, and its methods may
// be called from any goroutine. The zero value means no interface.
type Device struct {
	// Index is the index of the interface. It is 0 with ip_queue, which reports
	// only names.
	Index int

	queue  *Queue
	number uint32 // the index, or for ip_queue a number of devices
}

// Name returns the name of the interface in the network namespace of the queue,
// or "" if there is no longer an interface with that index.
//
// The kernel reports indexes. Name looks a name up with a system call, and
// caches it until an interface changes. A socket and a goroutine watch for
// changes, which they see with a slight delay; the first call of Name starts
// them, or Open with Config.WatchDevices, and Close stops them. If interfaces
// cannot be watched (before Linux 4.9, or in a Config.NetNS that the program
// may no longer enter), each call looks the name up. After Close, Name returns
// only names that are in the cache.
func (d Device) Name() string {
	if d.queue == nil {
		return ""
	}
	return d.queue.backend.deviceName(&d.queue.links, d.number)
}

// String returns the name, or if there is none the index, for example "#3". It
// returns "" for the zero Device.
func (d Device) String() string {
	name := d.Name()
	if name == "" && d.Index != 0 {
		return fmt.Sprintf("#%d", d.Index)
	}
	return name
}

// A links caches the names of the network interfaces in the queue's namespace.
// It empties the cache whenever the kernel reports a change, or that it could
// not report one.
type links struct {
	sock sock.Socket // the queue's

	mu      sync.RWMutex
	names   map[uint32]string
	changes uint64 // number of times that names was emptied
	watch   sock.Socket
	watched chan struct{} // closed when the goroutine that watches ends
	state   watchState
}

// A watchState is whether interfaces are watched, so that names can be cached.
type watchState uint8

const (
	unwatched watchState = iota // no name has been looked up yet
	watching
	unwatchable // the kernel does not support it: names are not cached
	ended       // the queue is closed
)

func (l *links) init(s sock.Socket) {
	l.sock = s
	l.names = make(map[uint32]string)
}

// name returns the name of the interface, or "" if there is no such interface.
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

// remember caches a name that was looked up when the number of changes was as
// given. If there was a change since, the name may be out of date, and remember
// ignores it.
func (l *links) remember(index uint32, name string, changes uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state == watching && l.changes == changes {
		l.names[index] = name
	}
}

// start starts to watch interfaces, before the first name is looked up. It
// returns the number of changes so far, and an error if they cannot be watched.
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

// follow empties the cache whenever an interface has changed. It ignores the
// content of the message. ENOBUFS means that there were more messages than the
// socket could hold.
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

// forget empties the cache. If err means that the socket is broken, it stops
// caching and returns false.
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

// close stops watching, and returns when the goroutine has ended.
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
