package wire

import "encoding/binary"

// An NFQVerdict decides one packet or, as a batch, all packets up to one. The
// zero value drops packet 0 of queue 0. All integers are in host byte order. The
// encoders copy the slices.
type NFQVerdict struct {
	Queue   uint16
	ID      uint32
	Verdict Verdict

	SetMark bool
	Mark    uint32

	// Priority is sent if SetPriority is true. Kernels before 5.18 ignore it
	// and report no error.
	SetPriority bool
	Priority    uint32

	// VLANProto and VLANTCI replace the tag of a bridged packet if SetVLAN
	// is true (Linux 4.7).
	SetVLAN            bool
	VLANProto, VLANTCI uint16

	// Conntrack contains encoded attributes (CTA_*) that change the
	// connection tracking entry, for example from AppendCTChange. It is nil
	// for no change (Linux 3.6). The kernel reports no errors in them.
	Conntrack []byte

	// Expect contains the encoded attributes (CTA_EXPECT_*) of an expectation
	// to add. It is nil for none (Linux 3.12). It has no effect without
	// Conntrack.
	Expect []byte

	// LinkHeader replaces the link-layer header of a bridged packet and must
	// have the same length. It is nil for no change (Linux 4.7).
	LinkHeader []byte

	// Payload replaces the packet if SetPayload is true.
	SetPayload bool
	Payload    []byte
}

// nfqVerdictHeadLen is the length of a message whose only attribute is the
// verdict header.
const nfqVerdictHeadLen = nfqHeadLen + attrHeaderLen + 8

const nfqVerdictName = "nfqueue verdict"

// nfqVerdictSizes contains the minimum lengths of the attributes of a verdict.
var nfqVerdictSizes = attrSizes{
	nfqaVerdictHdr: 8,
	nfqaMark:       4,
	nfqaPriority:   4,
}

// Validate returns an error if the kernel would refuse or misinterpret v. The
// error is ErrLength if a slice is longer than NFQMaxPayload. It is ErrValue if
// v.Verdict is VerdictStolen or unknown, or has bits set that must be zero.
func (v *NFQVerdict) Validate() error {
	if !v.Verdict.valid() {
		return &Error{Message: nfqVerdictName, What: v.Verdict.String(), Offset: nfgenLen + attrHeaderLen, Err: ErrValue}
	}
	for _, a := range [...]struct {
		typ  int
		data []byte
	}{{nfqaCT, v.Conntrack}, {nfqaExp, v.Expect}, {nfqaL2Hdr, v.LinkHeader}, {nfqaPayload, v.Payload}} {
		if len(a.data) > maxAttrData {
			return &Error{Message: nfqVerdictName, What: nfqaNames[a.typ], Want: maxAttrData, Got: len(a.data), Err: ErrLength}
		}
	}
	return nil
}

// AppendNFQVerdict appends zeros to b until its length is a multiple of 4, where
// the next message of a datagram must start, and then a verdict message. The
// length of the message is exact, not rounded up. AppendNFQVerdict always adds
// FlagRequest to flags. port is the port of the sending socket, or 0.
//
// The caller makes sure that v.Validate returns nil. AppendNFQVerdict cuts a
// slice that is too long to NFQMaxPayload bytes: the message is well-formed, but
// the packet is damaged. It writes bits of the verdict that must be zero as zero.
func AppendNFQVerdict(b []byte, flags uint16, seq, port uint32, v *NFQVerdict) []byte {
	b, start := appendVerdictHead(b, NFQVerdictType, flags, seq, port, v)
	if v.SetVLAN {
		b = appendVLAN(b, v.VLANProto, v.VLANTCI)
	}
	if v.LinkHeader != nil {
		b = AppendAttr(b, nfqaL2Hdr, v.LinkHeader)
	}
	if v.Conntrack != nil {
		b = AppendAttr(b, nfqaCT|attrNested, v.Conntrack)
	}
	if v.Expect != nil {
		b = AppendAttr(b, nfqaExp|attrNested, v.Expect)
	}
	if v.SetPayload {
		b = AppendAttr(b, nfqaPayload, v.Payload)
	}
	putLen(b[start:])
	return b
}

// AppendNFQVerdictBatch is like AppendNFQVerdict, but the verdict is for every
// undecided packet of the queue, from the oldest up to v.ID (Linux 3.1). The
// kernel compares ids as signed 32-bit differences. The message contains only the
// verdict, Mark and Priority.
func AppendNFQVerdictBatch(b []byte, flags uint16, seq, port uint32, v *NFQVerdict) []byte {
	b, start := appendVerdictHead(b, NFQVerdictBatchType, flags, seq, port, v)
	putLen(b[start:])
	return b
}

// appendVerdictHead appends the part that verdict and batch have in common. The
// message starts at start; the caller sets its length.
//
//	struct nfqnl_msg_verdict_hdr {
//		__be32 verdict;
//		__be32 id;
//	};
func appendVerdictHead(b []byte, typ, flags uint16, seq, port uint32, v *NFQVerdict) (all []byte, start int) {
	b, m := extend(align4(b), nfqVerdictHeadLen)
	start = len(b) - nfqVerdictHeadLen
	h := (*[nfqVerdictHeadLen]byte)(m)
	putNFQHead((*[nfqHeadLen]byte)(h[:]), typ, flags, seq, port, v.Queue)
	putAttrHeader(h[nfqHeadLen:], nfqaVerdictHdr, 8)
	binary.BigEndian.PutUint32(h[24:], v.Verdict.word())
	binary.BigEndian.PutUint32(h[28:], v.ID)
	if v.SetMark {
		b = appendAttr32(b, nfqaMark, v.Mark)
	}
	if v.SetPriority {
		b = appendAttr32(b, nfqaPriority, v.Priority)
	}
	return b, start
}

// appendVLAN appends NFQA_VLAN with its two members. Both members are padded,
// because the length of NFQA_VLAN includes the padding between them.
func appendVLAN(b []byte, proto, tci uint16) []byte {
	b, m := extend(align4(b), attrHeaderLen+16)
	clear(m)
	putAttrHeader(m, nfqaVLAN|attrNested, 16)
	putAttrHeader(m[4:], nfqaVLANProto, 2)
	binary.BigEndian.PutUint16(m[8:], proto)
	putAttrHeader(m[12:], nfqaVLANTCI, 2)
	binary.BigEndian.PutUint16(m[16:], tci)
	return b
}

// Parse sets every field of v from the body of a message of type NFQVerdictType
// or NFQVerdictBatchType, for example the one repeated in the reply to a refused
// verdict. The slices alias body. Parse skips unknown attributes, and bytes at
// the end of an attribute that its type does not use.
//
// Parse fails with ErrTruncated, with ErrLength, or, if there is no verdict
// header, with ErrMissing. On an error, v contains the attributes before the
// error.
func (v *NFQVerdict) Parse(body []byte) error {
	*v = NFQVerdict{}
	if len(body) < nfgenLen {
		return nfgenError(nfqVerdictName, body)
	}
	v.Queue = binary.BigEndian.Uint16(body[2:])
	headed := false
	for b := body[nfgenLen:]; len(b) > 0; {
		offset := len(body) - len(b)
		typ, n, ok := attrHeader(b)
		if !ok {
			return framingError(nfqVerdictName, offset, b)
		}
		if e := v.set(typ, offset, b[attrHeaderLen:n:n]); e != nil {
			return e
		}
		headed = headed || typ == nfqaVerdictHdr
		b = afterAttr(b, n)
	}
	if !headed {
		return missingAttr(nfqVerdictName, nfqaVerdictHdr, 8, len(body))
	}
	return nil
}

// set decodes the attribute at offset.
func (v *NFQVerdict) set(typ uint16, offset int, data []byte) (err *Error) {
	if typ >= uint16(len(nfqVerdictSizes)) {
		return nil
	}
	if want := int(nfqVerdictSizes[typ]); len(data) < want {
		return shortAttr(nfqVerdictName, typ, offset, want, len(data))
	}
	switch typ {
	case nfqaVerdictHdr:
		v.Verdict = Verdict(binary.BigEndian.Uint32(data))
		v.ID = binary.BigEndian.Uint32(data[4:])
	case nfqaMark:
		v.SetMark, v.Mark = true, binary.BigEndian.Uint32(data)
	case nfqaPriority:
		v.SetPriority, v.Priority = true, binary.BigEndian.Uint32(data)
	case nfqaVLAN:
		v.VLANProto, v.VLANTCI, err = parseVLAN(nfqVerdictName, offset, data)
		v.SetVLAN = err == nil
	case nfqaL2Hdr:
		v.LinkHeader = data
	case nfqaCT:
		v.Conntrack = data
	case nfqaExp:
		v.Expect = data
	case nfqaPayload:
		v.SetPayload, v.Payload = true, data
	}
	return err
}
