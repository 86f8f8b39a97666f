package queue

import "sync/atomic"

// A devices numbers the interface names that ip_queue reports, so that a Packet
// can hold one in four bytes for ever. The reader alone calls number; name may
// be called from anywhere.
type devices struct {
	numbers map[string]uint32
	names   atomic.Pointer[[]string] // by number, from 1
}

// A numberedName is an interface's name and its number, 0 if it has none.
type numberedName struct {
	name   string
	number uint32
}

// maxDevices bounds the table; a kernel's names are few.
const maxDevices = 1 << 16

// number returns the number of a name, 0 for none. last is what was looked
// up before, which is most often this one, and becomes this one.
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

// add gives a name the next number.
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

// name returns the name with a number that was given.
func (d *devices) name(number uint32) string { return (*d.names.Load())[number-1] }
