// Package quic reads the first packets of QUIC clients. They carry the TLS
// ClientHello in the clear to everybody who has seen them: Initial packets are
// encrypted with keys that follow from the connection ID in the packet itself
// (RFC 9001, section 5.2).
//
// It knows QUIC versions 1 (RFC 9000) and 2 (RFC 9369). Nothing in it changes
// or keeps the bytes of a datagram, and no input makes it panic.
package quic
