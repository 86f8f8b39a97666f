package main

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestOrderInterleaves(t *testing.T) {
	r := results{}
	for _, name := range []string{"a", "a", "a", "b", "c", "c"} {
		r.series = append(r.series, series{row: row{scene: scene{name: name}}})
	}
	for round, want := range [][]int{{0, 1, 2, 3, 4, 5}, {1, 2, 0, 3, 5, 4}, {2, 0, 1, 3, 4, 5}, {0, 1, 2, 3, 5, 4}} {
		if got := r.order(round); !slices.Equal(got, want) {
			t.Errorf("order in round %d is %v, want %v", round, got, want)
		}
	}
}

func TestPublish(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	if err := testResults().publish(io.Discard, dir); err != nil {
		t.Fatal(err)
	}
	var names []string
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	want := []string{"2020-01-02-abc.txt", "cpu.svg", "latency.svg", "report.md", "summary.svg", "throughput.svg"}
	if !slices.Equal(names, want) {
		t.Errorf("files %q, want %q", names, want)
	}
}
