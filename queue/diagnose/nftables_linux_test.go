package diagnose

import (
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
	"github.com/mdlayher/netlink"
	"github.com/mdlayher/netlink/nltest"
	"golang.org/x/sys/unix"
)

// A fakeRuleset answers the questions about the rules of table t in family inet.
type fakeRuleset struct {
	flags  uint32              // of the table
	chains []string            // those that begin with "base" are base chains
	rules  map[string][][]byte // by chain: the expressions of each rule, one after the other
	maps   map[string][][]byte // by name: the values
	gens   []uint32            // the generation, at each question; 0 when used up
}

const (
	msgNewTable = netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_NEWTABLE)
	msgNewChain = netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_NEWCHAIN)
	msgNewRule  = netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_NEWRULE)
	msgNewElem  = netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_NEWSETELEM)
	msgNewGen   = netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_NEWGEN)
)

// attr is an attribute; one after the other they make a message or a list.
func attr(typ uint16, data []byte) []byte {
	b, err := netlink.MarshalAttributes([]netlink.Attribute{{Type: typ, Data: data}})
	if err != nil {
		panic(err)
	}
	return b
}

func attrs(list ...[]byte) (b []byte) {
	for _, a := range list {
		b = append(b, a...)
	}
	return b
}

func text(s string) []byte { return append([]byte(s), 0) }

func big32(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

// answer is an nltest.Func.
func (f *fakeRuleset) answer(req []netlink.Message) ([]netlink.Message, error) {
	if len(req) == 0 {
		return nil, nil
	}
	asked := f.attributes(req[0].Data[4:])
	var list []netlink.Message
	add := func(typ netlink.HeaderType, body ...[]byte) {
		data := append([]byte{unix.NFPROTO_INET, 0, 0, 0}, attrs(body...)...)
		list = append(list, netlink.Message{Header: netlink.Header{
			Type: typ, Flags: netlink.Multi, Sequence: req[0].Header.Sequence, PID: req[0].Header.PID,
		}, Data: data})
	}
	switch req[0].Header.Type & 0xff {
	case unix.NFT_MSG_GETTABLE:
		add(msgNewTable, attr(unix.NFTA_TABLE_NAME, text("t")), attr(unix.NFTA_TABLE_FLAGS, big32(f.flags)))
	case unix.NFT_MSG_GETCHAIN:
		for _, c := range f.chains {
			var hook []byte
			if strings.HasPrefix(c, "base") {
				hook = attr(unix.NLA_F_NESTED|unix.NFTA_CHAIN_HOOK, attrs(attr(unix.NFTA_HOOK_HOOKNUM, big32(3)), attr(unix.NFTA_HOOK_PRIORITY, big32(0))))
			}
			add(msgNewChain, attr(unix.NFTA_CHAIN_TABLE, text("t")), attr(unix.NFTA_CHAIN_NAME, text(c)), hook)
		}
	case unix.NFT_MSG_GETRULE:
		chain := asked[unix.NFTA_RULE_CHAIN]
		for i, exprs := range f.rules[chain] {
			add(msgNewRule, attr(unix.NFTA_RULE_TABLE, text("t")), attr(unix.NFTA_RULE_CHAIN, text(chain)),
				attr(unix.NFTA_RULE_HANDLE, binary.BigEndian.AppendUint64(nil, uint64(i+1))),
				attr(unix.NLA_F_NESTED|unix.NFTA_RULE_EXPRESSIONS, exprs))
		}
	case unix.NFT_MSG_GETSETELEM:
		var elements []byte
		for _, v := range f.maps[asked[unix.NFTA_SET_ELEM_LIST_SET]] {
			key := attr(unix.NFTA_SET_ELEM_KEY, attr(unix.NFTA_DATA_VALUE, []byte{1}))
			elements = append(elements, attr(unix.NLA_F_NESTED|unix.NFTA_LIST_ELEM, append(key, attr(unix.NFTA_SET_ELEM_DATA, v)...))...)
		}
		add(msgNewElem, attr(unix.NLA_F_NESTED|unix.NFTA_SET_ELEM_LIST_ELEMENTS, elements))
	case unix.NFT_MSG_GETGEN:
		var gen uint32
		if len(f.gens) > 0 {
			gen, f.gens = f.gens[0], f.gens[1:]
		}
		add(msgNewGen, attr(unix.NFTA_GEN_ID, big32(gen)))
		list[0].Header.Flags = 0
		return list, nil
	}
	return append(list, netlink.Message{Header: netlink.Header{
		Type: netlink.Done, Flags: netlink.Multi, Sequence: req[0].Header.Sequence, PID: req[0].Header.PID,
	}, Data: make([]byte, 4)}), nil
}

func (f *fakeRuleset) attributes(b []byte) map[uint16]string {
	ad, err := netlink.NewAttributeDecoder(b)
	if err != nil {
		panic(err)
	}
	m := make(map[uint16]string)
	for ad.Next() {
		m[ad.Type()] = ad.String()
	}
	return m
}

// read reads the ruleset.
func (f *fakeRuleset) read(t *testing.T) ([]Rule, error) {
	t.Helper()
	conn, err := nftables.New(nftables.AsLasting(), nftables.WithTestDial(f.answer))
	if err != nil {
		t.Fatal(err)
	}
	socket := nltest.Dial(f.answer)
	defer socket.Close()
	defer conn.CloseLasting()
	return readUnchanged(conn, socket)
}

// exprs are the expressions of a rule.
func exprs(list ...any) (b []byte) {
	for _, e := range list {
		var data []byte
		switch e := e.(type) {
		case []byte:
			data = e
		case expr.Any:
			var err error
			if data, err = expr.Marshal(unix.NFPROTO_INET, e); err != nil {
				panic(err)
			}
		}
		b = append(b, attr(unix.NLA_F_NESTED|unix.NFTA_LIST_ELEM, data)...)
	}
	return b
}

// queueByRegister is "queue to" an expression before it.
func queueByRegister(flags byte) []byte {
	const sreg = 4 // NFTA_QUEUE_SREG_QNUM
	return attrs(attr(unix.NFTA_EXPR_NAME, text("queue")), attr(unix.NLA_F_NESTED|unix.NFTA_EXPR_DATA,
		attrs(attr(sreg, big32(8)), attr(unix.NFTA_QUEUE_FLAGS, []byte{0, flags}))))
}

func xtTarget(name string, revision uint32, words ...uint16) *expr.Target {
	var info xt.Unknown
	for _, w := range words {
		info = binary.NativeEndian.AppendUint16(info, w)
	}
	return &expr.Target{Name: name, Rev: revision, Info: &info}
}

// verdictTo is a map's value that jumps to a chain.
func verdictTo(chain string) []byte {
	return attr(unix.NLA_F_NESTED|unix.NFTA_DATA_VERDICT, attrs(attr(unix.NFTA_VERDICT_CODE, big32(0xfffffffd)), attr(unix.NFTA_VERDICT_CHAIN, text(chain))))
}

func TestReadQueues(t *testing.T) {
	number := func(n uint16) []byte { return attr(unix.NFTA_DATA_VALUE, binary.NativeEndian.AppendUint16(nil, n)) }
	maps := map[string][][]byte{"m": {number(9), number(7), number(9)}, "empty": nil}
	lookup := func(name string) *expr.Lookup {
		return &expr.Lookup{SourceRegister: 1, DestRegister: 8, IsDestRegSet: true, SetName: name}
	}
	for _, tt := range []struct {
		name  string
		exprs []byte
		want  string // of Rule.String, from the queue on
	}{
		{"nothing", nil, ""},
		{"accept", exprs(&expr.Verdict{Kind: expr.VerdictAccept}), ""},
		{"a queue", exprs(&expr.Queue{Num: 7, Total: 1}), "queue 7"},
		{"the last queue", exprs(&expr.Queue{Num: 65535, Total: 1}), "queue 65535"},
		{"some, bypass", exprs(&expr.Queue{Num: 7, Total: 4, Flag: expr.QueueFlagBypass}), "queue 7-10 bypass"},
		{"fanout", exprs(&expr.Queue{Num: 7, Total: 4, Flag: expr.QueueFlagFanout}), "queue 7-10 fanout"},
		{"both", exprs(&expr.Queue{Num: 7, Total: 4, Flag: expr.QueueFlagMask}), "queue 7-10 fanout bypass"},
		{"numgen", exprs(&expr.Numgen{Register: 8, Modulus: 3, Offset: 20}, queueByRegister(0)), "queue 20-22 by numgen"},
		{"symhash", exprs(&expr.Hash{DestRegister: 8, Modulus: 2, Type: expr.HashTypeSym}, queueByRegister(1)), "queue 0-1 by symhash bypass"},
		{"jhash", exprs(&expr.Hash{DestRegister: 8, Modulus: 1, Offset: 5, Type: expr.HashTypeJenkins}, queueByRegister(0)), "queue 5 by jhash"},
		{"impossible numbers", exprs(&expr.Numgen{Register: 8, Modulus: 65536, Offset: 1}, queueByRegister(0)), "queue by numgen"},
		{"map", exprs(lookup("m"), queueByRegister(0)), "queue 7, 9 by map"},
		{"map of a number", exprs(&expr.Numgen{Register: 1, Modulus: 2}, lookup("m"), queueByRegister(0)), "queue 7, 9 by map"},
		{"empty map", exprs(lookup("empty"), queueByRegister(0)), "queue by map"},
		{"a set is no source", exprs(&expr.Numgen{Register: 8, Modulus: 2}, &expr.Lookup{SourceRegister: 1, SetName: "m"}, queueByRegister(0)), "queue 0-1 by numgen"},
		{"something else", exprs(queueByRegister(0)), "queue by an expression"},
		{"NFQUEUE revision 0", exprs(xtTarget("NFQUEUE", 0, 5)), "queue 5"},
		{"NFQUEUE revision 1", exprs(xtTarget("NFQUEUE", 1, 5, 2)), "queue 5-6"},
		{"NFQUEUE revision 2", exprs(xtTarget("NFQUEUE", 2, 5, 2, 1)), "queue 5-6 bypass"},
		{"NFQUEUE revision 3", exprs(xtTarget("NFQUEUE", 3, 5, 3, 2)), "queue 5-7 fanout"},
		{"NFQUEUE, too short", exprs(xtTarget("NFQUEUE", 3)), "queue 0"},
		{"another target", exprs(xtTarget("TEE", 0, 5)), ""},
		{"QUEUE", exprs(&expr.Verdict{Kind: 3}), "queue 0"},
		{"QUEUE 7 bypass", exprs(&expr.Verdict{Kind: 7<<16 | 0x8003}), "queue 7 bypass"},
		{"QUEUE 65535", exprs(&expr.Verdict{Kind: -1<<16 | 3}), "queue 65535"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &fakeRuleset{chains: []string{"base"}, rules: map[string][][]byte{"base": {tt.exprs}}, maps: maps}
			list, err := f.read(t)
			var got string
			if len(list) > 0 {
				got = list[0].String()
			}
			want := tt.want
			if want != "" {
				want = "inet t base handle 1, " + want
			}
			if got != want || err != nil {
				t.Errorf("got %q, %v, want %q", got, err, want)
			}
		})
	}
}

func TestReadCounter(t *testing.T) {
	f := &fakeRuleset{chains: []string{"base"}, rules: map[string][][]byte{"base": {
		exprs(&expr.Counter{Packets: 258}, &expr.Queue{Num: 7, Total: 1}),
	}}}
	want := []Rule{{Family: "inet", Table: "t", Chain: "base", Handle: 1, Numbers: []uint16{7}, Counted: true, Packets: 258}}
	if got, err := f.read(t); !reflect.DeepEqual(got, want) || err != nil {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

// Rules that no packet reaches are recognized.
func TestReadIdle(t *testing.T) {
	queue := exprs(&expr.Queue{Num: 7, Total: 1})
	jump := func(chain string) []byte { return exprs(&expr.Verdict{Kind: expr.VerdictJump, Chain: chain}) }
	goTo := func(chain string) []byte { return exprs(&expr.Verdict{Kind: expr.VerdictGoto, Chain: chain}) }
	vmap := exprs(&expr.Lookup{SourceRegister: 1, DestRegister: unix.NFT_REG_VERDICT, IsDestRegSet: true, SetName: "v"})
	for _, tt := range []struct {
		name  string
		flags uint32
		rules map[string][][]byte // of base, a and b
		want  string
	}{
		{"base chain", 0, map[string][][]byte{"base": {queue}}, "base:"},
		{"dormant table", 1, map[string][][]byte{"base": {queue}}, "base:its table is dormant"},
		{"another flag", 2, map[string][][]byte{"base": {queue}}, "base:"},
		{"jump", 0, map[string][][]byte{"base": {jump("a")}, "a": {queue}}, "a:"},
		{"jump and goto", 0, map[string][][]byte{"base": {jump("a")}, "a": {goTo("b")}, "b": {queue}}, "b:"},
		{"by a map", 0, map[string][][]byte{"base": {vmap}, "b": {queue}}, "b:"},
		{"nobody jumps", 0, map[string][][]byte{"b": {queue}}, "b:no base chain leads to its chain"},
		{"only its like jump", 0, map[string][][]byte{"a": {jump("b"), queue}, "b": {jump("a")}}, "a:no base chain leads to its chain"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &fakeRuleset{flags: tt.flags, chains: []string{"a", "b", "base"}, rules: tt.rules,
				maps: map[string][][]byte{"v": {verdictTo("b")}}}
			list, err := f.read(t)
			if err != nil || len(list) != 1 {
				t.Fatalf("got %v, %v, want a rule", list, err)
			}
			if got := fmt.Sprintf("%s:%s", list[0].Chain, list[0].Idle); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// Rules that change while they are read are read again.
func TestReadChanging(t *testing.T) {
	f := &fakeRuleset{chains: []string{"base"}, gens: []uint32{1, 2, 3, 3}, rules: map[string][][]byte{"base": {exprs(&expr.Queue{Num: 7, Total: 1})}}}
	if list, err := f.read(t); len(list) != 1 || err != nil || len(f.gens) != 0 {
		t.Errorf("got %v, %v with %d generations left, want a rule and none", list, err, len(f.gens))
	}
	f.gens = nil
	for g := range uint32(2 * readTries) {
		f.gens = append(f.gens, g)
	}
	if list, err := f.read(t); !errors.Is(err, errChanged) {
		t.Errorf("got %v, %v, want %v", list, err, errChanged)
	}
}

// Any malformed message is an error.
func TestReadNonsense(t *testing.T) {
	verdict := func(data []byte) []byte {
		return attrs(attr(unix.NFTA_EXPR_NAME, text("immediate")), attr(unix.NLA_F_NESTED|unix.NFTA_EXPR_DATA, attrs(
			attr(unix.NFTA_IMMEDIATE_DREG, big32(unix.NFT_REG_VERDICT)),
			attr(unix.NLA_F_NESTED|unix.NFTA_IMMEDIATE_DATA, attr(unix.NLA_F_NESTED|unix.NFTA_DATA_VERDICT, data)))))
	}
	for name, data := range map[string][]byte{
		"an empty verdict":        exprs(verdict(nil)),
		"a short verdict":         exprs(verdict([]byte{1, 2, 3})),
		"no expression":           exprs([]byte{1}),
		"an attribute too long":   exprs([]byte{200, 0, 1, 0}),
		"a short queue":           exprs(attrs(attr(unix.NFTA_EXPR_NAME, text("queue")), attr(unix.NFTA_EXPR_DATA, attr(unix.NFTA_QUEUE_NUM, []byte{1})))),
		"a target without a name": exprs(attrs(attr(unix.NFTA_EXPR_NAME, text("target")), attr(unix.NFTA_EXPR_DATA, attr(unix.NFTA_TARGET_INFO, []byte{1})))),
	} {
		f := &fakeRuleset{chains: []string{"base"}, rules: map[string][][]byte{"base": {data}}}
		if list, err := f.read(t); len(list) != 0 {
			t.Errorf("%s: got %v, %v, want no rule", name, list, err)
		}
	}
}

func TestFamilyName(t *testing.T) {
	for f, want := range map[nftables.TableFamily]string{
		nftables.TableFamilyINet: "inet", nftables.TableFamilyIPv4: "ip", nftables.TableFamilyIPv6: "ip6",
		nftables.TableFamilyARP: "arp", nftables.TableFamilyNetdev: "netdev", nftables.TableFamilyBridge: "bridge", 77: "family 77",
	} {
		if got := familyName(f); got != want {
			t.Errorf("familyName(%d) = %q, want %q", f, got, want)
		}
	}
}
