package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/ipqueue/ipqueue/wire"
)

// statusFile has a row for each queue of the process's network namespace.
const statusFile = "/proc/net/netfilter/nfnetlink_queue"

var errNoRow = errors.New("the kernel has no row for the queue")

// readRow reads the row of the benchmark's queue.
func readRow() (wire.NFQStatus, error) {
	text, err := os.ReadFile(statusFile)
	if err != nil {
		return wire.NFQStatus{}, err
	}
	row, ok, err := wire.ParseNFQStatus(text, queueNumber)
	if err == nil && !ok {
		err = errNoRow
	}
	return row, err
}

// handled returns the number of packets that the kernel delivered and that have a
// verdict. The kernel numbers packets from 1, including those for which the
// receive buffer had no room.
func handled(row wire.NFQStatus) uint32 {
	return row.LastID - row.Pending - row.UserDropped
}

// awaitQuiet waits until no packet waits for a verdict and no new packet arrives.
// It returns the row.
func awaitQuiet() (wire.NFQStatus, error) {
	deadline := time.Now().Add(patience)
	before, err := readRow()
	for err == nil {
		time.Sleep(5 * time.Millisecond)
		var row wire.NFQStatus
		row, err = readRow()
		switch {
		case err != nil:
		case row.Pending == 0 && row.LastID == before.LastID:
			return row, nil
		case time.Now().After(deadline):
			err = fmt.Errorf("%d packets are pending after all load has ended", row.Pending)
		}
		before = row
	}
	return before, err
}

// checkSent compares the number of packets that a generator sent with the kernel's
// ids: all of them, and no others, must have reached the queue.
func checkSent(row wire.NFQStatus, sent uint64) error {
	if queued := row.LastID + row.QueueDropped; uint32(sent) != queued {
		return fmt.Errorf("the generator sent %d packets, the kernel had %d to queue", sent, queued)
	}
	return nil
}

// checkCount compares the number of packets that a consumer decided with the
// kernel's ids.
func checkCount(row wire.NFQStatus, final consumerState) error {
	if final.Refused > 0 {
		return fmt.Errorf("the kernel refused %d verdicts", final.Refused)
	}
	if want := handled(row); uint32(final.Decided) != want {
		return fmt.Errorf("the consumer decided %d packets, the kernel had %d decided", final.Decided, want)
	}
	return nil
}
