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
	programs, leftOut := buildPeers(t.TempDir())
	if len(programs) != 0 || len(leftOut) != 1 {
		t.Errorf("programs %v, left out %v, want none and one reason", programs, leftOut)
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
	programs, leftOut := buildPeers(t.TempDir())
	if len(programs) != len(peers)-1 || programs[cLibnfq] != "" {
		t.Errorf("programs %v, want all but %s", programs, cLibnfq)
	}
	if len(leftOut) != 1 || !strings.HasSuffix(leftOut[0].Error(), ": no headers") || !strings.Contains(leftOut[0].Error(), cLibnfq) {
		t.Errorf("left out %v, want %s and the first line of what the compiler said", leftOut, cLibnfq)
	}
}
