package main

import (
	_ "embed"
	"errors"
	"strings"

	"github.com/ipqueue/ipqueue/queue"
)

// The texts that the demonstration sends over UDP. policy drops secret, and replaces
// cue with line.
const (
	plain   = "good morning"
	secret  = "my password"
	cue     = "to be"
	line    = "to be, or not to be, that is the question"
	goodbye = "good bye"
)

// A policy drops secrets, completes a line of Hamlet's and accepts the rest.
type policy struct {
	refusal error // why the line was not completed: ErrUnsupported
}

func (y *policy) decide(p queue.Packet) (verdict, error) {
	switch string(p.Data()) {
	case secret:
		return dropped, p.Drop()
	case cue:
		if y.refusal = p.ReplaceData([]byte(line)); y.refusal == nil {
			return replaced, nil
		}
	}
	return accepted, p.Accept()
}

// unsupported reports whether the line was not completed because the kernel
// replaces no packets here.
func (y *policy) unsupported() bool { return errors.Is(y.refusal, queue.ErrUnsupported) }

//go:embed policy.go
var source string

// code returns the lines of decide, to be shown.
func code() string {
	_, code, _ := strings.Cut(source, "\nfunc (y *policy) decide")
	code, _, _ = strings.Cut(code, "\n}\n")
	return "func (y *policy) decide" + strings.ReplaceAll(code, "\t", "    ") + "\n}\n"
}
