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

// Roles of the program. It runs itself for each of our consumers and each
// generator: the first argument is the role, the second a specification in JSON.
const (
	consumeRole  = "consume"
	generateRole = "generate"
)

// playRole runs the role that the arguments contain and returns the exit status. If
// they contain no role, it does nothing and played is false.
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

// roleArgs returns the arguments for a role.
func roleArgs(role string, spec any) ([]string, error) {
	text, err := json.Marshal(spec)
	return []string{role, string(text)}, err
}

// say prints v as a line of JSON.
func say(v any) error {
	return json.NewEncoder(os.Stdout).Encode(v)
}

// answer starts a goroutine that prints the result of state for each line of the
// standard input, until the input ends.
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
