package queue_test

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ipqueue/ipqueue/internal/testutil"
)

// failuresElsewhere lists known failures of other packet-queue libraries, and
// the tests that show that this library does not have them.
var failuresElsewhere = map[string][]string{
	"a packet that comes before the answer to Open is taken for it":  {"TestOpenUnderFlood", "TestOpenAnswerLost", "TestKernelReopenDuringFlood"},
	"a full receive buffer ends the reader, or goes unnoticed":       {"TestOverrun", "TestMissed", "TestKernelOverrun"},
	"a refused verdict is returned by a later read":                  {"TestVerdictRefused", "TestRefusalsInterleaved", "TestKernelVerdictRefused"},
	"packets larger than a buffer never get a verdict":               {"TestPacketLargest", "TestDamaged", "TestKernelLargestPacket"},
	"Close hangs, or packets come after it":                          {"TestCloseInRange", "TestCloseWhileBlocked", "TestKernelCloseInsideLoop", "TestKernelAfterClose"},
	"a forgotten or slow verdict blocks the network":                 {"TestDeadline", "TestKernelDeadline", "TestMaxUndecided"},
	"a full channel: some rule of the library's own":                 {"TestWhenFull", "TestKernelWhenFull"},
	"two verdicts for a packet":                                      {"TestVerdictTwice", "TestOneVerdict", "TestKernelOneVerdict"},
	"flags of the configuration undo each other":                     {"TestOpenMessages", "TestConfigFlags", "TestKernelGSO", "TestKernelOverrun", "TestKernelOwner"},
	"padding becomes part of a replaced packet":                      {"TestReplaceLengths", "TestKernelReplaceUDP"},
	"a message with an unaligned end is rejected":                    {"TestReplaceLengths", "TestPacketFields"},
	"a buffer is used again while the application reads it":          {"TestPayloadStays", "TestPoison", "TestKernelPayloadStays"},
	"a measurement counts what the kernel never sent":                {"TestKernelMixedVerdicts", "TestKernelGroup"},
	"large packets are segmented, and slow, unless one knows a flag": {"TestConfigFlags", "TestKernelGSO"},
	"verdicts out of order make the kernel drop packets":             {"TestSendOrder", "TestKernelVerdictsOutOfOrder"},
	"a mark that comes with Accept is lost on the chain's rules":     {"TestKernelMark", "TestKernelRepeatWithMark"},
	"obsolete requests at the start fail":                            {"TestOpenMessages"},
	"errors that name neither queue, owner nor remedy":               {"TestOpenErrors", "TestOpenOwned", "TestKernelOwnedByAnotherProcess"},
	"a pointer to an attribute that is not there":                    {"TestPacketAbsent", "TestZeroPacket"},
	"a packet with an unknown attribute or family gets no verdict":   {"TestUnknownAttributes", "TestPacketBridge"},
	"queues share a stop flag":                                       {"TestTwoQueues"},
	"memory is allocated for each packet":                            {"TestAllocations", "TestKernelAllocates"},
}

func TestFailuresElsewhere(t *testing.T) {
	tests := testNames(t)
	for failure, names := range failuresElsewhere {
		for _, name := range names {
			if !tests[name] {
				t.Errorf("%s: there is no test %s", failure, name)
			}
		}
	}
}

// testNames are the functions of the package's test files.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	names := make(map[string]bool)
	files, err := filepath.Glob("*_test.go")
	if err != nil || len(files) == 0 {
		testutil.Lacks(t, "the source", "the test binary runs without it")
	}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for name := range f.Scope.Objects {
			if strings.HasPrefix(name, "Test") {
				names[name] = true
			}
		}
	}
	return names
}
