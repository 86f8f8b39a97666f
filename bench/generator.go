package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"

	"github.com/ipqueue/ipqueue/bench/internal/load"
)

// peerFD is the descriptor of the peer namespace in a generator.
const peerFD = 3

// roomForTimes is more than the number of datagrams that the longest row can send
// one at a time.
const roomForTimes = 1 << 20

// generate runs a generator, which prints a load.Reading for each line that it
// reads. text is its load.Spec in JSON.
func generate(ctx context.Context, text []byte) error {
	var spec load.Spec
	if err := json.Unmarshal(text, &spec); err != nil {
		return err
	}
	m := load.NewMeter(roomForTimes)
	if err := say(m.Read()); err != nil {
		return err
	}
	if err := answer(func() any { return m.Read() }); err != nil {
		return err
	}
	peer := os.NewFile(peerFD, "peer namespace")
	return errors.Join(load.Run(ctx, spec, peer, m), say(m.Read()))
}

// startGenerator starts a generator on the given processors.
func startGenerator(cpus []int, spec load.Spec, peer *os.File) (*process, error) {
	args, err := roleArgs(generateRole, spec)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.ExtraFiles = []*os.File{peer}
	var ready load.Reading
	return startProcess(cpus, cmd, &ready)
}
