// Package wire encodes and decodes the netlink messages that the Linux kernel
// and a program exchange about queued packets (NFQUEUE, ip_queue).
//
// It is for people who write tools or tests that work with these messages
// themselves: a tracer, a fake kernel, a decoder of captures. Programs that
// receive packets and decide on them use package queue and never need wire.
//
// The compatibility of wire is looser than that of package queue: its API follows
// the kernel's messages and may change in any release.
//
// The package opens no sockets, starts no goroutines and keeps no state.
//
// # Messages
//
// Three families of messages share the 16-byte netlink header ([Header]):
//
//   - nfnetlink_queue (NFQUEUE, since Linux 2.6.14, netlink protocol 12). The
//     kernel sends [NFQPacket]; programs send [NFQConfig] and [NFQVerdict]. The
//     netlink and attribute headers are in the byte order of the machine. Every
//     integer inside an attribute is in network byte order. The messages are the
//     same on 32-bit and 64-bit kernels.
//   - ip_queue and ip6_queue (Linux 2.4.0 to 3.4, netlink protocols 3 and 13).
//     The kernel sends [IPQPacket]; programs send modes ([Layout.AppendIPQMode])
//     and verdicts ([Layout.AppendIPQVerdict]). These messages are C structs with
//     members of type long, so their format depends on the kernel, not on the
//     program: a 32-bit program on a 64-bit kernel uses the 64-bit format. A
//     [Layout] is a word size and a byte order; all four layouts work on every
//     host.
//   - error replies ([ErrorMessage]), which acknowledge or refuse requests of
//     either family.
//
// The package also parses the text of three status files of /proc/net:
// [ParseNFQStatus], [ParseIPQStatus] and [ParseNFQueueHandlers].
//
// # Memory
//
// Decoding copies no packet bytes: every slice in a decoded value aliases the
// input. Such a slice stays within the bounds of the input, its capacity equals
// its length, and it is valid until the input is changed. Decoding allocates
// nothing, except for status files and errors.
//
// Encoders append to a slice that the caller passes. They allocate only if its
// capacity is too small, and keep no reference to their arguments.
//
// # Untrusted input
//
// Every input, however short or malformed, results in a value or an [*Error].
// The package never reads past the end of the input, whatever lengths a message
// declares.
//
// All functions may be called from several goroutines at once, provided that no
// two of them write to the same value or slice.
package wire
