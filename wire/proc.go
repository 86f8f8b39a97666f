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
	Port         uint32 // port of the socket that owns the queue
	Pending      uint32 // packets waiting for a verdict
	CopyMode     CopyMode
	CopyRange    uint32 // bytes copied of each packet
	QueueDropped uint32 // packets dropped because the queue was full
	UserDropped  uint32 // packets that could not be delivered to the socket
	LastID       uint32 // id of the most recent packet
}

// nfqStatusColumns is the number of columns used. A ninth column is always 1.
const nfqStatusColumns = 8

// ParseNFQStatus finds the row of queue in the text of
// /proc/net/netfilter/nfnetlink_queue. It reports whether there is such a row. It
// fails with ErrMissing if the row has too few columns, and with ErrValue if a
// column is not a 32-bit number. Negative numbers are valid: kernels before 3.10
// print some columns with a sign.
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

// ParseNFQStatusRows parses all rows of the text of
// /proc/net/netfilter/nfnetlink_queue. It fails like ParseNFQStatus, and with
// ErrValue if a row does not start with a queue number. On an error it returns
// the rows before the error.
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

// parseNFQRow parses one line, which starts at offset in the file. It ignores
// rows of other queues and lines that do not start with a number.
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

// An IPQStatus is the content of /proc/net/ip_queue or /proc/net/ip6_queue. The
// counters wrap at 32 bits. A field is zero if the text has no line for it: the
// two drop counters are missing before Linux 2.6.18.
type IPQStatus struct {
	CopyMode     CopyMode
	CopyRange    uint32 // bytes copied of each packet
	Port         uint32 // port of the socket that receives the packets, 0 for none
	Pending      uint32 // packets waiting for a verdict
	MaxLen       uint32 // most packets that may wait
	QueueDropped uint32 // packets dropped because the queue was full
	UserDropped  uint32 // packets that could not be delivered to the socket
}

// ParseIPQStatus parses the text of /proc/net/ip_queue or /proc/net/ip6_queue.
// It knows the labels of all versions from Linux 2.4.0 to 3.4 and skips unknown
// lines. It fails with ErrValue if the value of a known line is not a 32-bit
// number. On an error the result contains the lines before the error.
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

// set parses one line, which starts at offset in the file.
func (s *IPQStatus) set(label, value []byte, offset int) error {
	v, err := parseUint32(value)
	switch string(label) {
	case "Peer PID", "Peer pid":
		s.Port = v
	case "Copy mode", "Peer copy mode":
		s.CopyMode = CopyMode(min(v, math.MaxUint8))
	case "Copy range", "Peer copy range":
		s.CopyRange = v
	case "Queue length":
		s.Pending = v
	case "Queue max. length":
		s.MaxLen = v
	case "Queue dropped":
		s.QueueDropped = v
	case "Netlink dropped", "Netfilter dropped": // the latter in ip6_queue
		s.UserDropped = v
	default:
		return nil
	}
	if err != nil {
		return &Error{Message: "ip_queue status", What: string(label), Offset: offset, Err: err}
	}
	return nil
}

// ParseNFQueueHandlers parses the text of /proc/net/netfilter/nf_queue, which
// exists in Linux 2.6.14 to 3.7. The result maps a protocol family (2 for IPv4, 10
// for IPv6) to the name of the module that handles its queued packets:
// "ip_queue", "ip6_queue" or, for nfnetlink_queue, "nf_queue". It does not
// contain families without a handler. ParseNFQueueHandlers fails with ErrValue if
// a line does not consist of an 8-bit number and a name.
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

// parseUint32 parses a decimal 32-bit number. Some kernels print unsigned values
// as signed, so -1 is the largest number. On an error it returns 0.
func parseUint32(b []byte) (uint32, error) {
	v, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil || v < math.MinInt32 || v > math.MaxUint32 {
		return 0, ErrValue
	}
	return uint32(v), nil
}
