package quic

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
)

// salts and label prefixes are from RFC 9001, section 5.2, and RFC 9369, section
// 3.3.
var (
	saltV1 = []byte{0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a}
	saltV2 = []byte{0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb, 0xf9, 0xbd, 0x2e, 0xd9}
)

// Keys protect what a client sends in Initial packets.
type Keys struct {
	header cipher.Block
	body   cipher.AEAD
	iv     [12]byte
}

// ClientKeys returns the keys of a client that began its connection with that
// destination connection ID, or that got it from a Retry packet.
func ClientKeys(v Version, destination []byte) (*Keys, error) {
	salt, prefix := saltV1, "quic "
	if v == V2 {
		salt, prefix = saltV2, "quicv2 "
	}
	initial, err := hkdf.Extract(sha256.New, destination, salt)
	if err != nil {
		return nil, err
	}
	secret, err := expand(initial, "client in", sha256.Size)
	if err != nil {
		return nil, err
	}
	k := new(Keys)
	if k.header, err = block(secret, prefix+"hp"); err != nil {
		return nil, err
	}
	b, err := block(secret, prefix+"key")
	if err != nil {
		return nil, err
	}
	if k.body, err = cipher.NewGCM(b); err != nil {
		return nil, err
	}
	iv, err := expand(secret, prefix+"iv", len(k.iv))
	copy(k.iv[:], iv)
	return k, err
}

// block returns the cipher whose key is expanded with the label.
func block(secret []byte, label string) (cipher.Block, error) {
	key, err := expand(secret, label, 16)
	if err != nil {
		return nil, err
	}
	return aes.NewCipher(key)
}

// expand is HKDF-Expand-Label with an empty context (RFC 8446, section 7.1).
func expand(secret []byte, label string, n int) ([]byte, error) {
	label = "tls13 " + label
	info := binary.BigEndian.AppendUint16(nil, uint16(n))
	info = append(info, byte(len(label)))
	info = append(info, label...)
	info = append(info, 0)
	return hkdf.Expand(sha256.New, secret, string(info), n)
}

// Open returns the frames of an Initial packet, and false if the packet was not
// protected with these keys: a receiver then discards it.
func (k *Keys) Open(p Packet) (frames []byte, ok bool) {
	const sampleAt, sampleSize = 4, 16
	if p.Kind != Initial || len(p.protected) < p.number+sampleAt+sampleSize {
		return nil, false
	}
	var mask [sampleSize]byte
	k.header.Encrypt(mask[:], p.protected[p.number+sampleAt:][:sampleSize])
	first := p.protected[0] ^ mask[0]&0x0f
	size := int(first&3) + 1 // of the packet number
	header := append([]byte(nil), p.protected[:p.number+size]...)
	header[0] = first
	nonce := k.iv
	for i := range size {
		header[p.number+i] ^= mask[1+i]
		// An Initial packet number this early is never so high that its upper
		// bytes are left out of the packet.
		nonce[len(nonce)-size+i] ^= header[p.number+i]
	}
	frames, err := k.body.Open(nil, nonce[:], p.protected[p.number+size:], header)
	return frames, err == nil
}
