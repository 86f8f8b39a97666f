package wire

import "encoding/binary"

const (
	attrHeaderLen = 4      // struct nlattr { __u16 nla_len; __u16 nla_type; }
	attrTypeMask  = 0x3fff // NLA_TYPE_MASK: without the flags for nesting and byte order
	attrNested    = 0x8000 // NLA_F_NESTED

	// maxAttrData is what fits behind the header within the 16 bits of nla_len.
	maxAttrData = 0xffff - attrHeaderLen
)

// An Attr is one netlink attribute. Its header is in the byte order of this
// machine.
type Attr struct {
	Type uint16 // without the flags in the two highest bits
	Data []byte // without header and padding; aliases the message
}

// NextAttr splits the first attribute off b and returns what follows it and its
// padding; the last attribute of a message needs no padding. A loop ends when
// rest is empty:
//
//	for len(b) > 0 {
//		a, rest, err := wire.NextAttr(b)
//		if err != nil {
//			return err
//		}
//		// use a
//		b = rest
//	}
//
// It fails with ErrTruncated if b is shorter than a header or than the
// attribute says, and with ErrLength if the attribute says it is shorter than a
// header. Then rest is empty.
func NextAttr(b []byte) (a Attr, rest []byte, err error) {
	typ, n, ok := attrHeader(b)
	if !ok {
		return Attr{}, nil, framingError("netlink attributes", 0, b)
	}
	return Attr{Type: typ, Data: b[attrHeaderLen:n:n]}, afterAttr(b, n), nil
}

// AppendAttr appends zeros to b until its length is a multiple of 4, then one
// attribute of type typ (with the flags NLA_F_NESTED and NLA_F_NET_BYTEORDER if
// wanted) that holds data. No padding follows it, and none is counted in its
// length. The message must start at a multiple of 4 in b.
//
// An attribute holds at most 65531 bytes; of longer data only that many are
// taken, so that what follows is not read as part of something else.
func AppendAttr(b []byte, typ uint16, data []byte) []byte {
	data = data[:min(len(data), maxAttrData)]
	b = appendAttrHeader(b, typ, len(data))
	return append(b, data...)
}

// attrHeader reads the header of the attribute at the start of b: its type
// without flags and its length, which covers the header and not the padding.
// If ok, then attrHeaderLen <= n <= len(b).
func attrHeader(b []byte) (typ uint16, n int, ok bool) {
	if len(b) < attrHeaderLen {
		return 0, 0, false
	}
	n = int(binary.NativeEndian.Uint16(b))
	typ = binary.NativeEndian.Uint16(b[2:]) & attrTypeMask
	return typ, n, n >= attrHeaderLen && n <= len(b)
}

// alignAttr is NLA_ALIGN.
func alignAttr(n int) int { return (n + 3) &^ 3 }

// afterAttr returns what follows an attribute of n bytes and its padding, of
// which the last attribute may lack a part or all.
func afterAttr(b []byte, n int) []byte {
	return b[min(alignAttr(n), len(b)):]
}

// framingError describes why attrHeader failed for b, which is at offset in the
// message.
func framingError(message string, offset int, b []byte) *Error {
	e := &Error{Message: message, What: "nlattr", Offset: offset, Want: attrHeaderLen, Got: len(b), Err: ErrTruncated}
	if len(b) < attrHeaderLen {
		return e
	}
	e.What = "nla_len"
	e.Want = int(binary.NativeEndian.Uint16(b))
	if e.Want < attrHeaderLen {
		e.Want, e.Got, e.Err = attrHeaderLen, e.Want, ErrLength
	}
	return e
}

// appendAttrHeader pads b and appends the header of an attribute that holds n
// bytes.
func appendAttrHeader(b []byte, typ uint16, n int) []byte {
	b, m := extend(align4(b), attrHeaderLen)
	putAttrHeader(m, typ, n)
	return b
}

func putAttrHeader(m []byte, typ uint16, n int) {
	binary.NativeEndian.PutUint16(m[2:], typ)
	binary.NativeEndian.PutUint16(m, uint16(attrHeaderLen+n))
}

// appendAttr32 appends an attribute that holds v in network byte order.
func appendAttr32(b []byte, typ uint16, v uint32) []byte {
	b, m := extend(align4(b), attrHeaderLen+4)
	putAttrHeader(m, typ, 4)
	binary.BigEndian.PutUint32(m[4:], v)
	return b
}
