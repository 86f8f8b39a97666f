package queue

import "sync/atomic"

// A devices assigns numbers to the interface names that ip_queue reports, so
// that a Packet needs only four bytes for a name. Only the reader calls number;
// any goroutine may call name.
type devices struct {
	numbers map[string]uint32
	names   atomic.Pointer[[]string] // name n is at n-1
}

// A numberedName is a name and its number, 0 if it has none.
type numberedName struct {
	name   string
	number uint32
}

// maxDevices limits the table. A kernel has few interface names.
const maxDevices = 1 << 16

// number returns the number of a name, or 0 if there is none. last is the name
// that was looked up before, often the same one; number updates it.
func (d *devices) number(name []byte, last *numberedName) uint32 {
	if string(name) == last.name {
		return last.number
	}
	*last = d.find(name)
	return last.number
}

func (d *devices) find(name []byte) numberedName {
	if len(name) == 0 {
		return numberedName{}
	}
	if n, ok := d.numbers[string(name)]; ok {
		return numberedName{(*d.names.Load())[n-1], n}
	}
	return d.add(string(name))
}

// add assigns the next number to a name.
func (d *devices) add(name string) numberedName {
	if d.numbers == nil {
		d.numbers = make(map[string]uint32)
		d.names.Store(new([]string))
	}
	names := *d.names.Load()
	if len(names) == maxDevices {
		return numberedName{name: name}
	}
	names = append(names, name)
	n := uint32(len(names))
	d.numbers[name] = n
	d.names.Store(&names)
	return numberedName{name, n}
}

// name returns the name with a number that number has returned.
func (d *devices) name(number uint32) string { return (*d.names.Load())[number-1] }
