package kerneltest

import "testing"

func TestVersionBefore(t *testing.T) {
	for _, tt := range []struct {
		a, b Version
		want bool
	}{
		{Version{6, 15}, Version{6, 16}, true},
		{Version{6, 16}, Version{6, 16}, false},
		{Version{5, 20}, Version{6, 16}, true},
		{Version{7, 0}, Version{6, 16}, false},
		{Version{3, 4}, Version{3, 8}, true},
	} {
		if got := tt.a.before(tt.b.Major, tt.b.Minor); got != tt.want {
			t.Errorf("%v before %v is %v", tt.a, tt.b, got)
		}
	}
}

// TestVersionFacts has the release that changed each behaviour, and the one
// before.
func TestVersionFacts(t *testing.T) {
	for name, tt := range map[string]struct {
		fact  func(Version) bool
		since Version
		from  bool // the fact holds from then on, or until then
	}{
		"overshoots":    {Version.overshoots, Version{6, 16}, false},
		"capsAcks":      {Version.capsAcks, Version{4, 3}, true},
		"flagsCapped":   {Version.flagsCapped, Version{4, 12}, true},
		"roundsReplies": {Version.roundsReplies, Version{6, 2}, true},
		"hasPriority":   {Version.hasPriority, Version{5, 18}, true},
		"hasClassID":    {Version.hasClassID, Version{6, 4}, true},
		"hashes":        {Version.hashes, Version{6, 18}, true},
		"refusesEmpty":  {Version.refusesEmpty, Version{5, 16}, true},
	} {
		before := Version{tt.since.Major, tt.since.Minor - 1}
		if tt.fact(tt.since) != tt.from || tt.fact(before) == tt.from {
			t.Errorf("%s does not change with %v to %v", name, tt.since, tt.from)
		}
	}
}

func TestUnknownCommand(t *testing.T) {
	for v, want := range map[Version]Errno{{6, 6}: 524, {6, 18}: errOpNotSupp} {
		_, s := boundNFQ(t, Options{Linux: v})
		if got := request(t, s, native, nfqRequest(nfqConfig, 0, commandAttr(9))); got != want {
			t.Errorf("%v: %d, want %d", v, got, want)
		}
	}
}

func TestDefaultVersion(t *testing.T) {
	for m, want := range map[Modules]Version{0: {6, 18}, NFQueue: {6, 18}, IPQueue: {3, 4}, NFQueue | IP6Queue: {3, 4}} {
		if got := New(Options{Modules: m}).opts.Linux; got != want {
			t.Errorf("modules %b: Linux %v, want %v", m, got, want)
		}
	}
}
