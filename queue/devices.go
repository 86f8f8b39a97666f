package queue

import "sync/atomic"

// A devices numbers the interface names that ip_queue tells, so that a Packet
// can hold one in four bytes for ever. The reader alone calls number; name may
// be called from anywhere.
type devices struct {
	numbers map[string]uint32
	names   atomic.Pointer[[]string] // by number, from 1
}

// A device is a name and its number.
type device struct {
	name   string
	number uint32
}

// maxDevices bounds the table; a kernel's names are few.
const maxDevices = 1 << 16

// number returns the number of a name, 0 for none. last is the device that was
// looked up before, which is most often this one.
func (d *devices) number(name []byte, last *device) uint32 {
	if string(name) == last.name {
		return last.number
	}
	*last = d.find(name)
	return last.number
}

func (d *devices) find(name []byte) device {
	if len(name) == 0 {
		return device{}
	}
	if n, ok := d.numbers[string(name)]; ok {
		return device{(*d.names.Load())[n-1], n}
	}
	return d.add(string(name))
}

// add gives a name the next number.
func (d *devices) add(name string) device {
	if d.numbers == nil {
		d.numbers = make(map[string]uint32)
		d.names.Store(new([]string))
	}
	names := *d.names.Load()
	if len(names) == maxDevices {
		return device{name: name}
	}
	names = append(names, name)
	n := uint32(len(names))
	d.numbers[name] = n
	d.names.Store(&names)
	return device{name, n}
}

// name returns the name with a number that was given.
func (d *devices) name(number uint32) string { return (*d.names.Load())[number-1] }
