package main

import (
	"context"
	"os"
	"time"
)

// pause is the time between two looks at the policy's file.
const pause = time.Second

// changes returns a channel that says when the policy's file is another than
// when changes was called, or is no longer there. It is nil without -watch. The
// file is read again and again, since one that a symbolic link leads to, as in a
// volume of Kubernetes, changes without an event of its own.
func changes(ctx context.Context, o options) <-chan struct{} {
	if !o.watch {
		return nil
	}
	changed := make(chan struct{})
	go watch(ctx, o.file, content(o.file), changed)
	return changed
}

// watch tells of contents of the file other than the one before.
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

// content is that of the file, or why there is none.
func content(file string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
