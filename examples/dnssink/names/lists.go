package names

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// Lists contains the sources of a Set: the values of a command line with the
// flags -list, -allow and -skip.
type Lists struct {
	Names        []string // block these names, as Set.Add does
	Block, Allow []string // read these files, as Set.ReadFile and Set.AllowFile do
	Skip         bool     // skip lines that cannot be read
}

// A Loaded contains the result of reading Lists.
type Loaded struct {
	Set     *Set
	Skipped []error // with Lists.Skip, an error for each file with lines that cannot be read
	Err     error   // if not nil, there is no Set
}

var errNothing = errors.New("the lists block no name")

// Empty reports whether there is nothing that could block a name.
func (l Lists) Empty() bool { return len(l.Names)+len(l.Block) == 0 }

// Load reads all lists. Lists that block no name are an error, unless there are
// none.
func (l Lists) Load() Loaded {
	r := Loaded{Set: new(Set)}
	err := l.load(&r)
	if err == nil && r.Set.Len() == 0 && !l.Empty() {
		err = errNothing
	}
	if err != nil {
		return Loaded{Err: err}
	}
	return r
}

func (l Lists) load(r *Loaded) error {
	for _, name := range l.Names {
		if err := r.Set.Add(name); err != nil {
			return err
		}
	}
	for _, file := range l.Block {
		if err := l.skipped(r, r.Set.ReadFile(file)); err != nil {
			return err
		}
	}
	for _, file := range l.Allow {
		if err := l.skipped(r, r.Set.AllowFile(file)); err != nil {
			return err
		}
	}
	return nil
}

// skipped returns the error of reading a file, or adds it to r.Skipped.
func (l Lists) skipped(r *Loaded, err error) error {
	var syntax *SyntaxError
	switch isSyntax := errors.As(err, &syntax); {
	case isSyntax && l.Skip:
		r.Skipped = append(r.Skipped, err)
		return nil
	case isSyntax:
		return fmt.Errorf("%w; use -skip to ignore such lines", err)
	}
	return err
}

// Reload reads the lists again after each signal, until ctx ends. The goroutine
// that receives the results does not wait for that.
func (l Lists) Reload(ctx context.Context, signals <-chan os.Signal) <-chan Loaded {
	results := make(chan Loaded)
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-signals:
			}
			r := l.Load()
			select {
			case <-ctx.Done():
				return
			case results <- r:
			}
		}
	}()
	return results
}
