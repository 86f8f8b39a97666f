package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/ipqueue/ipqueue/examples/dnssink/names"
)

// A lists contains the sources of the names.
type lists struct {
	names        []string // names on the command line
	block, allow []string // names of files
	skip         bool     // ignore lines that cannot be read
}

var errNoNames = errors.New("there are no names to block: list some, or use -list")

// load reads all lists. skipped contains the errors of skipped lines.
func (l lists) load() (set *names.Set, skipped []error, err error) {
	set = new(names.Set)
	for _, name := range l.names {
		if err := set.Add(name); err != nil {
			return nil, nil, err
		}
	}
	read := func(files []string, add func(file string) error) error {
		for _, file := range files {
			err := add(file)
			var syntax *names.SyntaxError
			switch isSyntax := errors.As(err, &syntax); {
			case isSyntax && l.skip:
				skipped = append(skipped, err)
			case isSyntax:
				return fmt.Errorf("%w; use -skip to ignore such lines", err)
			case err != nil:
				return err
			}
		}
		return nil
	}
	if err := read(l.block, set.ReadFile); err != nil {
		return nil, nil, err
	}
	if err := read(l.allow, set.AllowFile); err != nil {
		return nil, nil, err
	}
	if set.Len() == 0 {
		return nil, nil, errNoNames
	}
	return set, skipped, nil
}

// A loaded contains the results of load.
type loaded struct {
	names   *names.Set
	skipped []error
	err     error
}

// reload reads the lists again after each signal, until ctx ends. Packets do
// not wait for that.
func (l lists) reload(ctx context.Context, signals <-chan os.Signal) <-chan loaded {
	results := make(chan loaded)
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-signals:
			}
			var r loaded
			r.names, r.skipped, r.err = l.load()
			select {
			case <-ctx.Done():
				return
			case results <- r:
			}
		}
	}()
	return results
}
