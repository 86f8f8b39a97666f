package testutil

import (
	"os/exec"
	"testing"
)

func TestHalt(t *testing.T) {
	cmd := exec.Command("cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		resume, err := Halt(cmd.Process)
		if err != nil {
			t.Fatal(err)
		}
		if err := resume(); err != nil {
			t.Fatal(err)
		}
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if _, err := Halt(cmd.Process); err == nil {
		t.Error("a process that has ended could be stopped")
	}
}
