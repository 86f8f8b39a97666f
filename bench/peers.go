package main

import (
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

//go:embed peers
var peerSources embed.FS

// A peer is a consumer in C.
type peer struct {
	name   string // of its rows
	source string // below peers
	libs   []string
	about  string
}

var peers = []peer{
	{"c-libnfq", "libnfq.c", []string{"-lnetfilter_queue"}, "libnetfilter_queue: recv, nfq_handle_packet, nfq_set_verdict"},
	{"c-many", "many.c", nil, "recvmmsg, up to 64 verdict messages in one send"},
	{"c-batch", "batch.c", nil, "recvmmsg, one VERDICT_BATCH"},
}

// buildPeers compiles the peers into dir. It returns the programs by name, and
// an error for each peer that cannot be had here.
func buildPeers(dir string) (programs map[string]string, leftOut []error) {
	programs = make(map[string]string)
	compiler, err := findCompiler()
	if err == nil {
		err = unpack(dir)
	}
	if err != nil {
		return programs, []error{fmt.Errorf("no consumers in C: %w", err)}
	}
	for _, p := range peers {
		program := filepath.Join(dir, p.name)
		if err := p.build(compiler, filepath.Join(dir, "peers"), program); err != nil {
			leftOut = append(leftOut, fmt.Errorf("no consumer %s: %w", p.name, err))
			continue
		}
		programs[p.name] = program
	}
	return programs, leftOut
}

func findCompiler() (string, error) {
	for _, name := range []string{os.Getenv("CC"), "cc", "gcc", "clang"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("no C compiler found")
}

// unpack writes the sources into dir/peers.
func unpack(dir string) error {
	return os.CopyFS(dir, peerSources)
}

func (p peer) build(compiler, sources, program string) error {
	args := append([]string{"-O2", "-o", program, p.source}, p.libs...)
	cmd := exec.Command(compiler, args...)
	cmd.Dir = sources
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", compiler, err, firstLine(said))
	}
	return nil
}

func firstLine(text []byte) string {
	for i, b := range text {
		if b == '\n' {
			return string(text[:i])
		}
	}
	return string(text)
}

// startPeer starts a program of buildPeers on some processors.
func startPeer(cpus []int, program string, s scene) (*process, consumerState, error) {
	var ready consumerState
	large := "gso"
	if s.segmented() {
		large = "segments"
	}
	cmd := exec.Command(program, strconv.Itoa(queueNumber), strconv.Itoa(queueLength), strconv.Itoa(readBuffer), s.verdict, large)
	p, err := startProcess(cpus, cmd, &ready)
	return p, ready, err
}
