// Package wire encodes and decodes the messages by which the Linux kernel
// hands packets to a program and takes its verdicts: bytes in, typed values
// out. It opens no socket, starts no goroutine and keeps no state.
//
// Three families of messages share the 16-byte netlink header ([Header]):
//
//   - nfnetlink_queue (NFQUEUE, Linux 2.6.14 to today, netlink protocol 12):
//     [NFQPacket] from the kernel, [NFQConfig] and [NFQVerdict] to it. The
//     netlink and attribute headers are in the byte order of the machine,
//     every integer inside an attribute is in network byte order, and word
//     size plays no part.
//   - ip_queue and ip6_queue (Linux 2.4.0 to 3.4, netlink protocols 3 and
//     13): [IPQPacket] from the kernel, modes and verdicts to it. These
//     messages are C structs with members of type long, so their shape is
//     that of the kernel, not of the program: a 32-bit program on a 64-bit
//     kernel needs the 64-bit one. A [Layout] names word size and byte order,
//     and all four layouts work on any host.
//   - error replies ([ErrorMessage]): acknowledgements and refusals of
//     requests of either family.
//
// Three status files of /proc/net are read too, as text: [ParseNFQStatus],
// [ParseIPQStatus] and [ParseNFQueueHandlers].
//
// # Memory
//
// Decoding copies no packet bytes and, except for status files, allocates
// nothing unless it fails: every slice in a decoded value aliases the input, within
// its bounds and with its capacity cut to its length, and is valid as long as the
// input is left unchanged. Encoders append to a slice of the caller and allocate only if its
// capacity is too small; they keep no reference to what they are given.
//
// # Untrusted input
//
// Any input, however short or wrong, gives a value or an [*Error]. Lengths
// found in a message are never trusted beyond the slice it came in.
//
// All functions may be called from several goroutines at once, as long as no
// two of them write to the same value or slice.
package wire
