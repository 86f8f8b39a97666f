package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ipqueue/ipqueue/queue"
)

// An answer is the person's decision about a destination.
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
		return answer{}, fmt.Errorf("want yes, always, no or block, or a first letter, not %q", word)
	}
}

// scope returns the scope of the answer in words.
func (a answer) scope() string {
	if a.always {
		return "always"
	}
	return "once"
}

// parseVerdict parses a verdict on the command line.
func parseVerdict(word string) (queue.Action, error) {
	switch word {
	case "accept":
		return queue.Accept, nil
	case "drop":
		return queue.Drop, nil
	}
	return 0, errors.New("want drop or accept")
}

// done returns the past participle of an action.
func done(action queue.Action) string {
	if action == queue.Accept {
		return "accepted"
	}
	return "dropped"
}
