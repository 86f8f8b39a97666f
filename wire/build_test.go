package wire_test

import (
	"encoding/binary"
	"testing"
	"unsafe"

	"github.com/ipqueue/ipqueue/wire"
)

// A machine describes a kernel by the properties of its C compiler. It does not
// use the package under test.
type machine struct {
	layout wire.Layout
	name   string
	word   int // sizeof(long)
	order  binary.AppendByteOrder
}

var machines = []machine{
	{wire.LE32, "le32", 4, binary.LittleEndian},
	{wire.LE64, "le64", 8, binary.LittleEndian},
	{wire.BE32, "be32", 4, binary.BigEndian},
	{wire.BE64, "be64", 8, binary.BigEndian},
}

// A cStruct is laid out as in C: each member is at a multiple of its own size,
// and the size of the struct is a multiple of its largest member.
type cStruct struct {
	machine
	b []byte
}

func (s *cStruct) align(n int) {
	for len(s.b)%n != 0 {
		s.b = append(s.b, 0)
	}
}

func (s *cStruct) u8(v uint8) { s.b = append(s.b, v) }

func (s *cStruct) u16(v uint16) {
	s.align(2)
	s.b = s.order.AppendUint16(s.b, v)
}

func (s *cStruct) u32(v uint32) {
	s.align(4)
	s.b = s.order.AppendUint32(s.b, v)
}

func (s *cStruct) long(v uint64) {
	s.align(s.word)
	if s.word == 4 {
		s.b = s.order.AppendUint32(s.b, uint32(v))
		return
	}
	s.b = s.order.AppendUint64(s.b, v)
}

// message puts a netlink header before the body. The length in the header is
// pad bytes larger than the message.
func (m machine) message(h wire.Header, body []byte, pad int) []byte {
	s := cStruct{machine: m}
	s.u32(uint32(16 + len(body) + pad))
	s.u16(h.Type)
	s.u16(h.Flags)
	s.u32(h.Seq)
	s.u32(h.Port)
	return append(s.b, body...)
}

// ipqPacket builds the body of a packet message.
func (m machine) ipqPacket(p *wire.IPQPacket) []byte {
	s := cStruct{machine: m}
	s.long(p.ID)
	s.long(uint64(p.Mark))
	s.long(uint64(p.TimeSec))
	s.long(uint64(p.TimeUsec))
	s.u32(uint32(p.Hook))
	var in, out [16]byte
	copy(in[:], p.InDev)
	copy(out[:], p.OutDev)
	s.b = append(append(s.b, in[:]...), out[:]...)
	s.b = append(s.b, byte(p.HWProtocol>>8), byte(p.HWProtocol))
	s.u16(p.HWType)
	s.u8(p.HWAddrLen)
	s.b = append(s.b, p.HWAddr[:]...)
	s.long(uint64(len(p.Payload)))
	return append(s.b, p.Payload...)
}

// ipqMode builds the body of a mode message: a union with the size of its
// longer member.
func (m machine) ipqMode(mode uint8, rng uint64) []byte {
	s := cStruct{machine: m}
	s.u8(mode)
	s.long(rng)
	s.long(0)
	return s.b
}

// ipqVerdict builds the body of a verdict message.
func (m machine) ipqVerdict(id uint64, v uint32, payload []byte) []byte {
	s := cStruct{machine: m}
	s.u32(v)
	s.long(id)
	s.long(uint64(len(payload)))
	return append(s.b, payload...)
}

// An nfqBuilder builds a message of nfnetlink_queue for this machine.
type nfqBuilder struct{ b []byte }

func newNFQ(family uint8, queue uint16) *nfqBuilder {
	return &nfqBuilder{[]byte{family, 0, byte(queue >> 8), byte(queue)}}
}

// attr pads the message and adds one attribute, without padding after it.
func (n *nfqBuilder) attr(typ uint16, data ...byte) *nfqBuilder {
	for len(n.b)%4 != 0 {
		n.b = append(n.b, 0)
	}
	n.b = binary.NativeEndian.AppendUint16(n.b, uint16(4+len(data)))
	n.b = binary.NativeEndian.AppendUint16(n.b, typ)
	n.b = append(n.b, data...)
	return n
}

func (n *nfqBuilder) be16(typ, v uint16) *nfqBuilder {
	return n.attr(typ, byte(v>>8), byte(v))
}

func (n *nfqBuilder) be32(typ uint16, v uint32) *nfqBuilder {
	return n.attr(typ, byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
}

// message returns the built body with a netlink header before it.
func (n *nfqBuilder) message(h wire.Header) []byte {
	var m []byte
	m = binary.NativeEndian.AppendUint32(m, uint32(16+len(n.b)))
	m = binary.NativeEndian.AppendUint16(m, h.Type)
	m = binary.NativeEndian.AppendUint16(m, h.Flags)
	m = binary.NativeEndian.AppendUint32(m, h.Seq)
	m = binary.NativeEndian.AppendUint32(m, h.Port)
	return append(m, n.b...)
}

// native returns the machine that the tests run on.
func native(tb testing.TB) machine {
	tb.Helper()
	big := binary.NativeEndian.Uint16([]byte{1, 0}) != 1
	for _, m := range machines {
		if (m.order == binary.AppendByteOrder(binary.BigEndian)) == big && m.word == int(unsafe.Sizeof(uintptr(0))) {
			return m
		}
	}
	tb.Fatal("this machine is not in the table")
	return machine{}
}

// within fails unless part, including its spare capacity, lies inside whole.
func within(tb testing.TB, what string, part, whole []byte) {
	tb.Helper()
	if cap(part) == 0 {
		return
	}
	start := uintptr(unsafe.Pointer(unsafe.SliceData(whole)))
	at := uintptr(unsafe.Pointer(unsafe.SliceData(part)))
	if at < start || at+uintptr(cap(part)) > start+uintptr(len(whole)) {
		tb.Errorf("%s: is not inside the input", what)
	}
}

// fenced returns a copy of b whose spare capacity is filled with fill. Code that
// reads past the end returns different results for two different fills.
func fenced(b []byte, fill byte) []byte {
	all := make([]byte, len(b)+64)
	n := copy(all, b)
	for i := n; i < len(all); i++ {
		all[i] = fill
	}
	return all[:n]
}
