package main

import "container/list"

// An lru is a map that knows its least recently used entry.
type lru[K comparable, V any] struct {
	entries map[K]*list.Element
	order   list.List // of *entry[K, V], the least recent first
}

type entry[K comparable, V any] struct {
	key   K
	value V
}

// get returns the value of the key, which becomes the most recent.
func (l *lru[K, V]) get(key K) (value V, ok bool) {
	e := l.entries[key]
	if e == nil {
		return value, false
	}
	l.order.MoveToBack(e)
	return e.Value.(*entry[K, V]).value, true
}

// add adds a key, which must not be in the map.
func (l *lru[K, V]) add(key K, value V) {
	if l.entries == nil {
		l.entries = make(map[K]*list.Element)
	}
	l.entries[key] = l.order.PushBack(&entry[K, V]{key, value})
}

func (l *lru[K, V]) remove(key K) {
	if e := l.entries[key]; e != nil {
		l.order.Remove(e)
		delete(l.entries, key)
	}
}

// oldest returns the least recently used entry. ok is false if there is none.
func (l *lru[K, V]) oldest() (key K, value V, ok bool) {
	e := l.order.Front()
	if e == nil {
		return key, value, false
	}
	oldest := e.Value.(*entry[K, V])
	return oldest.key, oldest.value, true
}

func (l *lru[K, V]) len() int { return l.order.Len() }

// A set remembers at least the last most keys that were added to it, and at most
// twice as many.
type set[K comparable] struct {
	most       int
	young, old map[K]struct{}
}

func (s *set[K]) add(key K) {
	if s.young == nil || len(s.young) >= s.most {
		s.young, s.old = make(map[K]struct{}), s.young
	}
	s.young[key] = struct{}{}
}

func (s *set[K]) remove(key K) {
	delete(s.young, key)
	delete(s.old, key)
}

// has reports whether the key is in the set. If it is, the key counts as added
// again.
func (s *set[K]) has(key K) bool {
	if _, ok := s.young[key]; ok {
		return true
	}
	_, ok := s.old[key]
	if ok {
		s.add(key)
	}
	return ok
}
