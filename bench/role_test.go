package main

import "testing"

func TestPlayRole(t *testing.T) {
	for _, args := range [][]string{nil, {"bench"}, {"bench", "-rounds", "3"}, {"bench", consumeRole}} {
		if _, played := playRole(args); played {
			t.Errorf("arguments %q are taken for a role", args)
		}
	}
	for _, role := range []string{consumeRole, generateRole} {
		if status, played := playRole([]string{"bench", role, "no JSON"}); !played || status == 0 {
			t.Errorf("%s with a wrong specification: status %d, played %t", role, status, played)
		}
	}
}
