package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Packets do not wait while a list is read again, which may take seconds.
func TestReloadDelaysNoPackets(t *testing.T) {
	list := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(list, []byte("one.example"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := newBlocker(t, "-list "+list)
	p.out.Await(t, "sniblock: 3 names block")
	if err := os.Remove(list); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(list, 0o600); err != nil {
		t.Fatal(err)
	}
	p.reload <- hangup // reading takes until the FIFO has a writer
	p.client("10.0.0.1:40000").sendDatagram("\x40 short header").WantAccepted()
	if err := os.WriteFile(list, []byte("two.example four.example"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.out.Await(t, "sniblock: now 4 names block")
}
