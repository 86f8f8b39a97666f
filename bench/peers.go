package main

import (
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
)

//go:embed peers
var peerSources embed.FS

// A peer is a consumer that does not use this library.
type peer struct {
	name  string // of the contender
	about string

	source string // C file in the directory peers, or ""
	libs   []string

	use string // the argument of gonfqueue: callback or channel
}

var peers = []peer{
	{name: goNFQueueCallback, use: "callback", about: "github.com/florianl/go-nfqueue/v2, the verdict in its callback"},
	{name: goNFQueueChannel, use: "channel", about: "github.com/florianl/go-nfqueue/v2, the callback sends to a channel, another goroutine gives the verdict"},
	{name: cLibnfq, source: "libnfq.c", libs: []string{"-lnetfilter_queue"}, about: "C, libnetfilter_queue: recv, nfq_handle_packet, nfq_set_verdict"},
	{name: cMany, source: "many.c", about: "C, recvmmsg, up to 64 verdict messages in one send"},
	{name: cBatch, source: "batch.c", about: "C, recvmmsg, one VERDICT_BATCH"},
}

// A command is the program of a peer and its first arguments.
type command []string

// buildPeers compiles the peers into dir. It returns their commands, indexed by
// name, and an error for each peer that cannot be built.
func buildPeers(dir string) (commands map[string]command, leftOut []error) {
	commands = make(map[string]command)
	compiler, noCompiler := findCompiler()
	if noCompiler == nil {
		noCompiler = unpack(dir)
	}
	goNFQueue, noGoNFQueue := buildGoNFQueue(dir)
	for _, p := range peers {
		c, err := command{goNFQueue, p.use}, noGoNFQueue
		if p.source != "" {
			c, err = command{filepath.Join(dir, p.name)}, noCompiler
			if err == nil {
				err = p.build(compiler, filepath.Join(dir, "peers"), c[0])
			}
		}
		if err != nil {
			leftOut = append(leftOut, fmt.Errorf("consumer %s: %w", p.name, err))
			continue
		}
		commands[p.name] = c
	}
	return commands, leftOut
}

// buildGoNFQueue compiles the module in the directory gonfqueue and returns the
// program. The module has its own dependencies, which the go command may have to
// download.
func buildGoNFQueue(dir string) (program string, err error) {
	program = filepath.Join(dir, "gonfqueue")
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", program, ".")
	cmd.Dir = "gonfqueue"
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0")
	if said, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build in gonfqueue: %w: %s", err, firstLine(said))
	}
	return program, nil
}

func findCompiler() (string, error) {
	for _, name := range []string{os.Getenv("CC"), "cc", "gcc", "clang"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("no C compiler found")
}

// unpack writes the C files into dir/peers.
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

// startPeer starts a peer on the given processors.
func startPeer(cpus []int, c command, s scene) (*process, consumerState, error) {
	var ready consumerState
	large := "gso"
	if s.segmented() {
		large = "segments"
	}
	args := append(slices.Clone(c[1:]), strconv.Itoa(queueNumber), strconv.Itoa(queueLength), strconv.Itoa(readBuffer), s.verdict, large)
	cmd := exec.Command(c[0], args...)
	p, err := startProcess(cpus, cmd, &ready)
	return p, ready, err
}
