package main

import "testing"

func TestAnswerText(t *testing.T) {
	for i, text := range answers {
		want := answer(i)
		var got answer
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("UnmarshalText(%q) gives %v, %v, want %v", text, got, err, want)
		}
		if b, err := got.MarshalText(); string(b) != text || err != nil {
			t.Errorf("MarshalText of %v = %q, %v, want %q", got, b, err, text)
		}
	}
	if err := new(answer).UnmarshalText([]byte("maybe")); err == nil {
		t.Error("UnmarshalText takes a word that is no answer")
	}
}
