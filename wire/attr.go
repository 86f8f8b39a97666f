package wire

import "encoding/binary"

const (
	attrHeaderLen = 4      // struct nlattr { __u16 nla_len; __u16 nla_type; }
	attrTypeMask  = 0x3fff // NLA_TYPE_MASK: without the flags for nesting and byte order
	attrNested    = 0x8000 // NLA_F_NESTED

	// maxAttrData is the most bytes that an attribute can contain: nla_len
	// has 16 bits and counts the header.
	maxAttrData = 0xffff - attrHeaderLen
)

// An Attr is one netlink attribute. In the message, its header is in the byte
// order of this machine.
type Attr struct {
	Type uint16 // without the flags in the two highest bits
	Data []byte // without header and padding; aliases the message
}

// NextAttr splits the first attribute off b. It returns the attribute and the
// bytes after the attribute and its padding. The last attribute of a message
// needs no padding. To walk all attributes, call NextAttr until rest is empty:
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
// NextAttr fails with ErrTruncated if b is shorter than a header or than the
// length in the header, and with ErrLength if that length is smaller than a
// header. On an error, rest is empty.
func NextAttr(b []byte) (a Attr, rest []byte, err error) {
	typ, n, ok := attrHeader(b)
	if !ok {
		return Attr{}, nil, framingError("netlink attributes", 0, b)
	}
	return Attr{Type: typ, Data: b[attrHeaderLen:n:n]}, afterAttr(b, n), nil
}

// AppendAttr appends zeros to b until its length is a multiple of 4, and then
// one attribute that contains data. typ may include the flags NLA_F_NESTED and
// NLA_F_NET_BYTEORDER. AppendAttr adds no padding after the attribute. The
// message must start at an offset in b that is a multiple of 4.
//
// An attribute contains at most 65531 bytes. AppendAttr cuts longer data, so that
// the attributes that follow are still read correctly.
func AppendAttr(b []byte, typ uint16, data []byte) []byte {
	data = data[:min(len(data), maxAttrData)]
	b = appendAttrHeader(b, typ, len(data))
	return append(b, data...)
}

// attrHeader reads the header of the attribute at the start of b. It returns
// the type without flags, and the length n, which includes the header but not
// the padding. If ok is true, attrHeaderLen <= n <= len(b).
func attrHeader(b []byte) (typ uint16, n int, ok bool) {
	if len(b) < attrHeaderLen {
		return 0, 0, false
	}
	n = int(binary.NativeEndian.Uint16(b))
	typ = binary.NativeEndian.Uint16(b[2:]) & attrTypeMask
	return typ, n, n >= attrHeaderLen && n <= len(b)
}

// alignAttr rounds n up to a multiple of 4, as NLA_ALIGN does.
func alignAttr(n int) int { return (n + 3) &^ 3 }

// afterAttr returns the bytes of b after an attribute of n bytes and its
// padding. The last attribute may lack some or all of its padding.
func afterAttr(b []byte, n int) []byte {
	return b[min(alignAttr(n), len(b)):]
}

// framingError returns the reason why attrHeader failed for b, which starts at
// offset in the message.
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

// appendAttrHeader pads b and appends the header of an attribute that contains
// n bytes.
func appendAttrHeader(b []byte, typ uint16, n int) []byte {
	b, m := extend(align4(b), attrHeaderLen)
	putAttrHeader(m, typ, n)
	return b
}

func putAttrHeader(m []byte, typ uint16, n int) {
	binary.NativeEndian.PutUint16(m[2:], typ)
	binary.NativeEndian.PutUint16(m, uint16(attrHeaderLen+n))
}

// appendAttr32 appends an attribute that contains v in network byte order.
func appendAttr32(b []byte, typ uint16, v uint32) []byte {
	b, m := extend(align4(b), attrHeaderLen+4)
	putAttrHeader(m, typ, 4)
	binary.BigEndian.PutUint32(m[4:], v)
	return b
}
