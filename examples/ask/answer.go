package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ipqueue/ipqueue/queue"
)

// An answer is what the person says about a destination.
type answer struct {
	action queue.Action
	always bool // for its later connections, too
}

// parseAnswer reads a word or its first letter.
func parseAnswer(line string) (answer, error) {
	switch word := strings.ToLower(strings.TrimSpace(line)); word {
	case "yes", "y":
		return answer{queue.Accept, false}, nil
	case "always", "a":
		return answer{queue.Accept, true}, nil
	case "no", "n":
		return answer{queue.Drop, false}, nil
	case "block", "b":
		return answer{queue.Drop, true}, nil
	default:
		return answer{}, fmt.Errorf("want yes, always, no or block, or its first letter, not %q", word)
	}
}

// scope is the answer's in words.
func (a answer) scope() string {
	if a.always {
		return "always"
	}
	return "once"
}

// parseVerdict reads a verdict as the command line has it.
func parseVerdict(word string) (queue.Action, error) {
	switch word {
	case "accept":
		return queue.Accept, nil
	case "drop":
		return queue.Drop, nil
	}
	return 0, errors.New("want drop or accept")
}

// done is what has become of a packet.
func done(action queue.Action) string {
	if action == queue.Accept {
		return "accepted"
	}
	return "dropped"
}
