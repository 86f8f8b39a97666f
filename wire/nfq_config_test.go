package wire_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/ipqueue/ipqueue/wire"
)

const allFlags = wire.ConfigFailOpen | wire.ConfigGSO | wire.ConfigUIDGID

// configCaptures are requests that a real kernel accepted, or refused for
// reasons other than their format.
var configCaptures = map[string]wire.NFQConfig{
	"config-not-bound":                  {Queue: 3, SetMode: true, Mode: wire.CopyPacket},
	"config-bind-conntrack-unsupported": {Queue: 3, Command: wire.CommandBind, SetMode: true, Mode: wire.CopyPacket, Range: 0xffff, SetMaxLen: true, MaxLen: 4096, Flags: allFlags | wire.ConfigConntrack, Mask: allFlags | wire.ConfigConntrack | wire.ConfigSecCtx},
	"config-bind":                       {Queue: 3, Command: wire.CommandBind, SetMode: true, Mode: wire.CopyPacket, Range: 0xffff, SetMaxLen: true, MaxLen: 4096, Flags: allFlags, Mask: allFlags | wire.ConfigSecCtx},
	"config-bind-again":                 {Queue: 3, Command: wire.CommandBind},
	"config-flag-unknown":               {Queue: 3, Flags: 0x40, Mask: 0x40},
	"config-range":                      {Queue: 3, SetMode: true, Mode: wire.CopyPacket, Range: 33},
	"config-meta":                       {Queue: 3, SetMode: true, Mode: wire.CopyMeta},
	"config-flags-off":                  {Queue: 3, Mask: allFlags},
	"config-maxlen":                     {Queue: 3, SetMaxLen: true, MaxLen: 65536},
	"capped-config-ok":                  {Queue: 3, SetMaxLen: true, MaxLen: 1024},
	"config-bind-bridge":                {Queue: 4, Command: wire.CommandBind, SetMode: true, Mode: wire.CopyPacket},
	"config-unbind-bridge":              {Queue: 4, Command: wire.CommandUnbind},
	"config-unbind":                     {Queue: 3, Command: wire.CommandUnbind},
}

func TestAppendNFQConfigCaptures(t *testing.T) {
	littleEndianOnly(t)
	seen := 0
	for _, c := range captures(t, "nfq_le64.hex") {
		config, ok := configCaptures[c.probe(t)]
		if !ok || !c.is("tx ") {
			continue
		}
		f := fields(c.decoded)
		got := wire.AppendNFQConfig(nil, uint16(num(t, f, "flags")), uint32(num(t, f, "seq")), uint32(num(t, f, "pid")), &config)
		sameBytes(t, c.name, got, c.data)
		seen++
	}
	if seen != len(configCaptures) {
		t.Errorf("%d requests, want %d", seen, len(configCaptures))
	}
}

// configCases are configurations, each with the attributes of its encoding, in
// this order.
var configCases = []struct {
	name   string
	config wire.NFQConfig
	want   *nfqBuilder
}{
	{"nothing", wire.NFQConfig{Queue: 0xfffe}, newNFQ(0, 0xfffe)},
	{"bind", wire.NFQConfig{Command: wire.CommandBind}, newNFQ(0, 0).attr(1, 1, 0, 0, 0)},
	{"unbind", wire.NFQConfig{Command: wire.CommandUnbind}, newNFQ(0, 0).attr(1, 2, 0, 0, 0)},
	{"bind family", wire.NFQConfig{Command: wire.CommandBindFamily, Family: 10}, newNFQ(0, 0).attr(1, 3, 0, 0, 10)},
	{"mode none", wire.NFQConfig{SetMode: true}, newNFQ(0, 0).attr(2, 0, 0, 0, 0, 0)},
	{"mode and range", wire.NFQConfig{SetMode: true, Mode: wire.CopyPacket, Range: 0x01020304}, newNFQ(0, 0).attr(2, 1, 2, 3, 4, 2)},
	{"queue length 0", wire.NFQConfig{SetMaxLen: true}, newNFQ(0, 0).be32(3, 0)},
	{"flags", wire.NFQConfig{Flags: wire.ConfigGSO, Mask: wire.ConfigGSO | wire.ConfigSecCtx}, newNFQ(0, 0).be32(4, 0x14).be32(5, 4)},
	{"all", wire.NFQConfig{
		Queue: 1, Command: wire.CommandBind, SetMode: true, Mode: wire.CopyMeta, SetMaxLen: true, MaxLen: 0xa0b0c0d0,
		Flags: wire.ConfigFailOpen | wire.ConfigConntrack, Mask: 0x1f,
	}, newNFQ(0, 1).attr(1, 1, 0, 0, 0).attr(2, 0, 0, 0, 0, 1).be32(3, 0xa0b0c0d0).be32(4, 0x1f).be32(5, 3)},
}

func TestAppendNFQConfig(t *testing.T) {
	h := wire.Header{Type: wire.NFQConfigType, Flags: 5, Seq: 7, Port: 0x80000008}
	for _, tt := range configCases {
		t.Run(tt.name, func(t *testing.T) {
			want := tt.want.message(h)
			dirty := bytes.Repeat([]byte{0xff}, 200)
			got := wire.AppendNFQConfig(dirty[:0], wire.FlagAck, h.Seq, h.Port, &tt.config)
			sameBytes(t, "message", got, want)
			got = wire.AppendNFQConfig([]byte{1, 2, 3, 4, 5}, wire.FlagAck|wire.FlagRequest, h.Seq, h.Port, &tt.config)
			sameBytes(t, "second message", got, append([]byte{1, 2, 3, 4, 5, 0, 0, 0}, want...))

			var back wire.NFQConfig
			if err := back.Parse(want[wire.HeaderLen:]); err != nil || back != tt.config {
				t.Errorf("parsed %+v, error %v, want %+v", back, err, tt.config)
			}
		})
	}
}

func TestNFQConfigParseSkips(t *testing.T) {
	b := newNFQ(9, 8).attr(0, 1).attr(6).attr(63, 1, 2).attr(0x3fff).attr(2, 0, 0, 1, 0, 2, 0xff).attr(0x8003, 0, 0, 0, 5, 6).b
	c := wire.NFQConfig{Command: wire.CommandBind, Mask: 1}
	want := wire.NFQConfig{Queue: 8, SetMode: true, Mode: wire.CopyPacket, Range: 256, SetMaxLen: true, MaxLen: 5}
	if err := c.Parse(b); err != nil || c != want {
		t.Errorf("got %+v, error %v, want %+v", c, err, want)
	}
}

func TestNFQConfigParseErrors(t *testing.T) {
	bind := newNFQ(0, 9).attr(1, 1, 0, 0, 0)
	with := func(tail []byte) []byte { return append(bytes.Clone(bind.b), tail...) }
	tests := []struct {
		body []byte
		err  error
		text string
	}{
		{nil, wire.ErrTruncated, "nfqueue config: nfgenmsg at offset 0: message is truncated: want 4, got 0"},
		{with(rawAttr(7, 1, 1, 0, 0)), wire.ErrLength, "nfqueue config: NFQA_CFG_CMD at offset 12: bad length: want 4, got 3"},
		{with(rawAttr(8, 2, 0, 0, 0, 0)), wire.ErrLength, "nfqueue config: NFQA_CFG_PARAMS at offset 12: bad length: want 5, got 4"},
		{with(rawAttr(4, 3)), wire.ErrLength, "nfqueue config: NFQA_CFG_QUEUE_MAXLEN at offset 12: bad length: want 4, got 0"},
		{with(rawAttr(6, 4, 1, 2)), wire.ErrLength, "nfqueue config: NFQA_CFG_MASK at offset 12: bad length: want 4, got 2"},
		{with(rawAttr(6, 5, 1, 2)), wire.ErrLength, "nfqueue config: NFQA_CFG_FLAGS at offset 12: bad length: want 4, got 2"},
		{with(rawAttr(2, 5)), wire.ErrLength, "nfqueue config: nla_len at offset 12: bad length: want 4, got 2"},
		{with(rawAttr(9, 5)), wire.ErrTruncated, "nfqueue config: nla_len at offset 12: message is truncated: want 9, got 4"},
		{with([]byte{8}), wire.ErrTruncated, "nfqueue config: nlattr at offset 12: message is truncated: want 4, got 1"},
	}
	for _, tt := range tests {
		c := wire.NFQConfig{Command: wire.CommandUnbind}
		err := c.Parse(tt.body)
		if !errors.Is(err, tt.err) || err.Error() != tt.text {
			t.Errorf("error %v, want %q", err, tt.text)
		}
		if want := (wire.NFQConfig{Queue: 9, Command: wire.CommandBind}); len(tt.body) > 0 && c != want {
			t.Errorf("%v: got %+v, want %+v", err, c, want)
		}
	}
}
