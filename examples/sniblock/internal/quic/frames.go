package quic

// Frame types that may be in an Initial packet (RFC 9000, section 12.4).
const (
	framePadding         = 0x00
	framePing            = 0x01
	frameACK             = 0x02
	frameACKECN          = 0x03
	frameCrypto          = 0x06
	frameConnectionClose = 0x1c
)

// A Crypto frame is a piece of the TLS messages.
type Crypto struct {
	Offset uint64
	Data   []byte
}

// Cryptos returns the CRYPTO frames among the frames of an Initial packet. With
// an error, which means that the receiver closes the connection, it returns
// those before the fault.
func Cryptos(frames []byte) (cryptos []Crypto, err error) {
	r := reader{b: frames}
	for r.at < len(r.b) {
		switch kind := r.varint(); kind {
		case framePadding, framePing:
		case frameACK, frameACKECN:
			r.ack(kind == frameACKECN)
		case frameCrypto:
			offset := r.varint()
			data := r.bytes(r.varint())
			if !r.failed {
				cryptos = append(cryptos, Crypto{offset, data})
			}
		case frameConnectionClose:
			r.varint() // the error code
			r.varint() // the type of the frame at fault
			r.bytes(r.varint())
		default:
			return cryptos, ErrMalformed
		}
		if r.failed {
			return cryptos, ErrMalformed
		}
	}
	return cryptos, nil
}

// ack skips an ACK frame (RFC 9000, section 19.3).
func (r *reader) ack(ecn bool) {
	r.varint() // the largest number acknowledged
	r.varint() // the delay
	ranges := r.varint()
	r.varint() // the first range
	for ; ranges > 0 && !r.failed; ranges-- {
		r.varint() // a gap
		r.varint() // a range
	}
	if ecn {
		for range 3 {
			r.varint()
		}
	}
}
