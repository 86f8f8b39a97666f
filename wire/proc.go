package wire

import (
	"bytes"
	"math"
	"strconv"
)

// An NFQStatus is the row of one queue in /proc/net/netfilter/nfnetlink_queue.
// The counters wrap at 32 bits.
type NFQStatus struct {
	Queue        uint16
	Port         uint32 // port of the owner's socket
	Pending      uint32 // packets waiting for a verdict
	CopyMode     CopyMode
	CopyRange    uint32 // bytes
	QueueDropped uint32 // packets dropped because the queue was full
	UserDropped  uint32 // packets that could not be delivered to the socket
	LastID       uint32 // id of the last packet
}

// nfqStatusColumns is how many columns of a row are used; a ninth is always 1.
const nfqStatusColumns = 8

// ParseNFQStatus finds the row of queue in the text of
// /proc/net/netfilter/nfnetlink_queue and reports whether there is one. It fails
// with ErrMissing if that row has too few columns and with ErrValue if one of
// them is not a number of 32 bits; kernels before 3.10 print some with a sign.
func ParseNFQStatus(b []byte, queue uint16) (NFQStatus, bool, error) {
	offset := 0
	for line := range bytes.Lines(b) {
		if s, ok, err := parseNFQRow(line, offset, queue); ok || err != nil {
			return s, ok, err
		}
		offset += len(line)
	}
	return NFQStatus{}, false, nil
}

// ParseNFQStatusRows parses the whole text of
// /proc/net/netfilter/nfnetlink_queue. It fails as ParseNFQStatus does, also if
// a row does not start with the number of a queue; then the rows before it are
// returned.
func ParseNFQStatusRows(b []byte) ([]NFQStatus, error) {
	var rows []NFQStatus
	offset := 0
	for line := range bytes.Lines(b) {
		number, _, _ := bytes.Cut(bytes.TrimSpace(line), []byte(" "))
		queue, err := strconv.ParseUint(string(number), 10, 16)
		if err != nil {
			return rows, &Error{Message: "nfnetlink_queue status", What: "column 1", Offset: offset, Err: ErrValue}
		}
		row, _, err := parseNFQRow(line, offset, uint16(queue))
		if err != nil {
			return rows, err
		}
		rows = append(rows, row)
		offset += len(line)
	}
	return rows, nil
}

// parseNFQRow parses one line, which is at offset in the file. Rows of other
// queues and lines that do not start with a number are not looked at.
func parseNFQRow(line []byte, offset int, queue uint16) (NFQStatus, bool, error) {
	var col [nfqStatusColumns]uint32
	n := 0
	for field := range bytes.FieldsSeq(line) {
		v, err := parseUint32(field)
		if n == 0 && (err != nil || v != uint32(queue)) {
			return NFQStatus{}, false, nil
		}
		if err != nil {
			return NFQStatus{}, false, &Error{Message: "nfnetlink_queue status", What: "column " + strconv.Itoa(n+1), Offset: offset, Err: err}
		}
		if col[n] = v; n == nfqStatusColumns-1 {
			return nfqStatus(&col), true, nil
		}
		n++
	}
	if n == 0 {
		return NFQStatus{}, false, nil
	}
	return NFQStatus{}, false, &Error{Message: "nfnetlink_queue status", What: "columns", Offset: offset, Want: nfqStatusColumns, Got: n, Err: ErrMissing}
}

func nfqStatus(col *[nfqStatusColumns]uint32) NFQStatus {
	return NFQStatus{
		Queue:        uint16(col[0]),
		Port:         col[1],
		Pending:      col[2],
		CopyMode:     CopyMode(min(col[3], math.MaxUint8)),
		CopyRange:    col[4],
		QueueDropped: col[5],
		UserDropped:  col[6],
		LastID:       col[7],
	}
}

// IPQStatusFields is the set of the lines found in the status of ip_queue.
type IPQStatusFields uint8

// The members of IPQStatusFields. Kernels before 2.6.18 have no drop counters.
const (
	IPQHasPort IPQStatusFields = 1 << iota
	IPQHasCopyMode
	IPQHasCopyRange
	IPQHasPending
	IPQHasMaxLen
	IPQHasQueueDropped
	IPQHasUserDropped
)

// An IPQStatus is the content of /proc/net/ip_queue or /proc/net/ip6_queue. A
// field whose bit in Has is not set is zero. The counters wrap at 32 bits.
type IPQStatus struct {
	Has          IPQStatusFields
	CopyMode     CopyMode
	CopyRange    uint32 // bytes
	Port         uint32 // port that the packets go to, 0 if nobody is there
	Pending      uint32 // packets waiting for a verdict
	MaxLen       uint32 // most packets that may wait
	QueueDropped uint32 // packets dropped because the queue was full
	UserDropped  uint32 // packets that could not be delivered to the socket
}

// ParseIPQStatus parses the text of /proc/net/ip_queue or /proc/net/ip6_queue
// by its labels, which changed several times between Linux 2.4.0 and 3.4. Lines
// that it does not know are skipped. It fails with ErrValue if one that it knows
// holds no number of 32 bits; then the lines before it are set.
func ParseIPQStatus(b []byte) (IPQStatus, error) {
	var s IPQStatus
	offset := 0
	for line := range bytes.Lines(b) {
		label, value, _ := bytes.Cut(line, []byte(":"))
		if err := s.set(bytes.TrimSpace(label), bytes.TrimSpace(value), offset); err != nil {
			return s, err
		}
		offset += len(line)
	}
	return s, nil
}

// set parses one line, which is at offset in the file.
func (s *IPQStatus) set(label, value []byte, offset int) error {
	v, err := parseUint32(value)
	var field IPQStatusFields
	switch string(label) {
	case "Peer PID", "Peer pid":
		field, s.Port = IPQHasPort, v
	case "Copy mode", "Peer copy mode":
		field, s.CopyMode = IPQHasCopyMode, CopyMode(min(v, math.MaxUint8))
	case "Copy range", "Peer copy range":
		field, s.CopyRange = IPQHasCopyRange, v
	case "Queue length":
		field, s.Pending = IPQHasPending, v
	case "Queue max. length":
		field, s.MaxLen = IPQHasMaxLen, v
	case "Queue dropped":
		field, s.QueueDropped = IPQHasQueueDropped, v
	case "Netlink dropped", "Netfilter dropped": // the latter in ip6_queue
		field, s.UserDropped = IPQHasUserDropped, v
	default:
		return nil
	}
	if err != nil {
		return &Error{Message: "ip_queue status", What: string(label), Offset: offset, Err: err}
	}
	s.Has |= field
	return nil
}

// ParseNFQueueHandlers parses the text of /proc/net/netfilter/nf_queue, which
// Linux 2.6.14 to 3.4 have, and returns by protocol family (2 for IPv4, 10 for
// IPv6) the name of the module that takes its queued packets: "ip_queue",
// "ip6_queue" or, for nfnetlink_queue, "nf_queue". Families that nobody serves
// are left out. It fails with ErrValue if a line does not hold a number of 8
// bits and a name.
func ParseNFQueueHandlers(b []byte) (map[uint8]string, error) {
	handlers := make(map[uint8]string)
	offset := 0
	for line := range bytes.Lines(b) {
		family, handler, found := bytes.Cut(bytes.TrimSpace(line), []byte(" "))
		n, err := strconv.ParseUint(string(family), 10, 8)
		if err != nil || !found {
			return nil, &Error{Message: "nf_queue status", What: "line", Offset: offset, Want: 2, Got: len(bytes.Fields(line)), Err: ErrValue}
		}
		if handler := string(bytes.TrimSpace(handler)); handler != "NONE" {
			handlers[uint8(n)] = handler
		}
		offset += len(line)
	}
	return handlers, nil
}

// parseUint32 parses a decimal number of 32 bits. Some kernels print unsigned
// values with a sign, so -1 is the largest.
func parseUint32(b []byte) (uint32, error) {
	v, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil || v < math.MinInt32 || v > math.MaxUint32 {
		return 0, ErrValue
	}
	return uint32(v), nil
}
