package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBuildPeersWithoutCompiler(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("CC", "")
	commands, leftOut := buildPeers(t.TempDir())
	if len(commands) != 0 || len(leftOut) != len(peers) {
		t.Errorf("commands %v, left out %v, want none and a reason for each", commands, leftOut)
	}
}

func TestBuildPeersTellsWhatFailed(t *testing.T) {
	bin := t.TempDir()
	compiler := filepath.Join(bin, "cc")
	const script = "#!/bin/sh\ncase \"$*\" in *libnfq*) echo no headers; echo at all; exit 1;; esac\n"
	if err := os.WriteFile(compiler, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CC", compiler)
	commands, leftOut := buildPeers(t.TempDir())
	if len(commands) != len(peers)-1 || commands[cLibnfq] != nil {
		t.Errorf("commands %v, want all but %s", commands, cLibnfq)
	}
	if len(leftOut) != 1 || !strings.HasSuffix(leftOut[0].Error(), ": no headers") || !strings.Contains(leftOut[0].Error(), cLibnfq) {
		t.Errorf("left out %v, want %s and the first line of what the compiler said", leftOut, cLibnfq)
	}
}
