package wire_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ipqueue/ipqueue/wire"
)

// TestLinuxConstants compares the constants with those of x/sys/unix, which come
// from the kernel's headers.
func TestLinuxConstants(t *testing.T) {
	tests := []struct {
		name      string
		got, want int
	}{
		{"NLMSG_HDRLEN", wire.HeaderLen, unix.NLMSG_HDRLEN},
		{"NLMSG_ERROR", wire.NLMsgError, unix.NLMSG_ERROR},
		{"NLMSG_NOOP", wire.NLMsgNoop, unix.NLMSG_NOOP},
		{"NLM_F_REQUEST", wire.FlagRequest, unix.NLM_F_REQUEST},
		{"NLM_F_ACK", wire.FlagAck, unix.NLM_F_ACK},
		{"NLM_F_CAPPED", flagCapped, unix.NLM_F_CAPPED},
		{"NLM_F_ACK_TLVS", flagAckTLVs, unix.NLM_F_ACK_TLVS},
		{"NFNL_SUBSYS_QUEUE", wire.NFQPacketType >> 8, unix.NFNL_SUBSYS_QUEUE},
		{"NFNL_SUBSYS_QUEUE", wire.NFQVerdictType >> 8, unix.NFNL_SUBSYS_QUEUE},
		{"NFNL_SUBSYS_QUEUE", wire.NFQConfigType >> 8, unix.NFNL_SUBSYS_QUEUE},
		{"NFNL_SUBSYS_QUEUE", wire.NFQVerdictBatchType >> 8, unix.NFNL_SUBSYS_QUEUE},
		{"NF_INET_PRE_ROUTING", int(wire.HookPrerouting), unix.NF_INET_PRE_ROUTING},
		{"NF_INET_LOCAL_IN", int(wire.HookInput), unix.NF_INET_LOCAL_IN},
		{"NF_INET_FORWARD", int(wire.HookForward), unix.NF_INET_FORWARD},
		{"NF_INET_LOCAL_OUT", int(wire.HookOutput), unix.NF_INET_LOCAL_OUT},
		{"NF_INET_POST_ROUTING", int(wire.HookPostrouting), unix.NF_INET_POST_ROUTING},
		{"sizeof struct nlmsghdr", wire.HeaderLen, unix.SizeofNlMsghdr},
		{"longest attribute", wire.NFQMaxPayload, 0xffff - unix.SizeofNlAttr},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("%s: %#x, want %#x", tt.name, tt.got, tt.want)
		}
	}
}

// TestLinuxAttrFlags checks which bits of an attribute type NextAttr removes.
func TestLinuxAttrFlags(t *testing.T) {
	const typ = 19
	for _, flags := range []int{unix.NLA_F_NESTED, unix.NLA_F_NET_BYTEORDER} {
		a, _, err := wire.NextAttr(wire.AppendAttr(nil, uint16(typ|flags), nil))
		if a.Type != typ || err != nil {
			t.Errorf("flags %#x: type %d, error %v, want %d", flags, a.Type, err, typ)
		}
	}
	m := wire.AppendNFQVerdict(nil, 0, 0, 0, &wire.NFQVerdict{Conntrack: []byte{}})
	sameBytes(t, "NFQA_CT", m[len(m)-4:], rawAttr(4, unix.NLA_F_NESTED|11))
}
