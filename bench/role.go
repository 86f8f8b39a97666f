package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/ipqueue/ipqueue/bench/internal/sys"
)

// The program executes itself for each consumer of ours and each generator,
// with one of these as its first argument and a specification in JSON as its
// second.
const (
	consumeRole  = "consume"
	generateRole = "generate"
)

// playRole plays the role that the arguments name, if they do, and returns
// the exit status.
func playRole(args []string) (status int, played bool) {
	if len(args) != 3 {
		return 0, false
	}
	var play func(ctx context.Context, spec []byte) error
	switch args[1] {
	case consumeRole:
		play = consume
	case generateRole:
		play = generate
	default:
		return 0, false
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := play(ctx, []byte(args[2])); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1, true
	}
	return 0, true
}

// roleArgs are the arguments that make the program play a role.
func roleArgs(role string, spec any) ([]string, error) {
	text, err := json.Marshal(spec)
	return []string{role, string(text)}, err
}

// say prints v as a line.
func say(v any) error {
	return json.NewEncoder(os.Stdout).Encode(v)
}

// answer starts to say state() for each line of the standard input, until that
// ends. It does so beside the work, which it hardly holds up.
func answer(state func() any) error {
	in, err := sys.Stdin()
	if err != nil {
		return err
	}
	go func() {
		for lines := bufio.NewScanner(in); lines.Scan(); {
			if say(state()) != nil {
				return
			}
		}
	}()
	return nil
}
