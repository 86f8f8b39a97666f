package wire_test

import (
	"fmt"
	"testing"

	"github.com/ipqueue/ipqueue/wire"
)

func TestStrings(t *testing.T) {
	tests := []struct {
		v    fmt.Stringer
		want string
	}{
		{wire.VerdictDrop, "drop"},
		{wire.VerdictAccept, "accept"},
		{wire.VerdictStolen, "stolen"},
		{wire.VerdictQueue, "queue 0"},
		{wire.VerdictRepeat, "repeat"},
		{wire.VerdictStop, "stop"},
		{wire.QueueVerdict(7, false), "queue 7"},
		{wire.QueueVerdict(65535, true), "queue 65535 bypass"},
		{wire.Verdict(6), "Verdict(0x6)"},
		{wire.Verdict(0x10001), "Verdict(0x10001)"},
		{wire.Verdict(0x103), "Verdict(0x103)"},

		{wire.CopyNone, "none"},
		{wire.CopyMeta, "meta"},
		{wire.CopyPacket, "packet"},
		{wire.CopyMode(3), "CopyMode(3)"},

		{wire.HookPrerouting, "prerouting"},
		{wire.HookInput, "input"},
		{wire.HookForward, "forward"},
		{wire.HookOutput, "output"},
		{wire.HookPostrouting, "postrouting"},
		{wire.Hook(255), "Hook(255)"},

		{wire.SKBInfo(0), "0"},
		{wire.SKBChecksumNotReady | wire.SKBGSO, "checksum-not-ready|gso"},
		{wire.SKBChecksumNotVerified | 0x10, "checksum-not-verified|0x10"},

		{wire.ConfigFlags(0), "0"},
		{wire.ConfigFailOpen | wire.ConfigConntrack | wire.ConfigGSO | wire.ConfigUIDGID | wire.ConfigSecCtx, "fail-open|conntrack|gso|uid-gid|secctx"},
		{wire.ConfigFlags(0x80000020), "0x80000020"},

		{wire.CTEstablished, "established"},
		{wire.CTRelated, "related"},
		{wire.CTNew, "new"},
		{wire.CTEstablishedReply, "established-reply"},
		{wire.CTRelatedReply, "related-reply"},
		{wire.CTInfo(5), "new-reply"},
		{wire.CTInfo(7), "CTInfo(7)"},
		{wire.CTInfo(1 << 31), "CTInfo(2147483648)"},

		{wire.CTStatus(0), "0"},
		{wire.CTSeenReply | wire.CTAssured | wire.CTConfirmed, "seen-reply|assured|confirmed"},
		{wire.CTStatus(0x1ffff), "expected|seen-reply|assured|confirmed|src-nat|dst-nat|seq-adjust|src-nat-done|" +
			"dst-nat-done|dying|fixed-timeout|template|untracked|helper|offload|hw-offload|0x10000"},

		{wire.CTFields(0), "0"},
		{wire.CTHasMark | wire.CTHasLabels | 1<<6, "CTA_MARK|CTA_LABELS|0x40"},

		{wire.CommandNone, "none"},
		{wire.CommandBind, "bind"},
		{wire.CommandUnbind, "unbind"},
		{wire.CommandBindFamily, "bind family"},
		{wire.CommandUnbindFamily, "unbind family"},
		{wire.ConfigCommand(5), "ConfigCommand(5)"},

		{wire.NFQFields(0), "0"},
		{wire.HasPacketHeader | wire.HasPayload | wire.HasClassID, "NFQA_PACKET_HDR|NFQA_PAYLOAD|NFQA_CGROUP_CLASSID"},
		{wire.NFQFields(1 | 1<<31), "0x80000001"},
	}
	for _, tt := range tests {
		if got := tt.v.String(); got != tt.want {
			t.Errorf("String() = %q, want %q", got, tt.want)
		}
	}
}

func TestQueueVerdict(t *testing.T) {
	tests := []struct {
		num    uint16
		bypass bool
		want   wire.Verdict
	}{
		{0, false, 0x00000003},
		{0, true, 0x00008003},
		{1, false, 0x00010003},
		{0xffff, true, 0xffff8003},
	}
	for _, tt := range tests {
		if got := wire.QueueVerdict(tt.num, tt.bypass); got != tt.want {
			t.Errorf("QueueVerdict(%d, %v) = %#x, want %#x", tt.num, tt.bypass, uint32(got), uint32(tt.want))
		}
	}
}

func TestValidateVerdict(t *testing.T) {
	valid := map[wire.Verdict]bool{
		0: true, 1: true, 2: false, 3: true, 4: true, 5: true, 6: false, 0xff: false,
		0x8003: true, 0x10003: true, 0xffff8003: true, 0x103: false, 0x4003: false,
		0x100: false, 0x8001: false, 0x10001: false, 0x10004: false, 0xffffffff: false,
	}
	for v, want := range valid {
		if err := (&wire.NFQVerdict{Verdict: v}).Validate(); (err == nil) != want {
			t.Errorf("Verdict(%#x): error %v, want valid %v", uint32(v), err, want)
		}
	}
}
