package main

import (
	"context"
	"os"
	"time"
)

// pause is the time between two reads of the policy file.
const pause = time.Second

// changes returns a channel that receives a value when the policy file has
// changed or disappeared since the last value, or the call of changes. It
// returns nil without -watch. It reads the file periodically, because a file
// behind a symbolic link, as in a Kubernetes volume, changes without an event.
func changes(ctx context.Context, o options) <-chan struct{} {
	if !o.watch {
		return nil
	}
	changed := make(chan struct{})
	go watch(ctx, o.file, content(o.file), changed)
	return changed
}

// watch sends a value whenever the content of the file has changed.
func watch(ctx context.Context, file, before string, changed chan<- struct{}) {
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := content(file)
		if now == before {
			continue
		}
		before = now
		select {
		case changed <- struct{}{}:
		case <-ctx.Done():
			return
		}
	}
}

// content returns the content of the file, or the error of reading it.
func content(file string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
