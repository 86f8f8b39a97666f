package kerneltest

import "testing"

// TestConfigFlags checks a case that the recording does not contain: flags for which
// the kernel lacks the module.
func TestConfigFlags(t *testing.T) {
	for name, tt := range map[string]struct {
		o     Options
		flags uint32
		want  Errno
	}{
		"all":          {Options{}, flagMax - 1, 0},
		"no conntrack": {Options{NoConntrack: true}, flagConntrack, errOpNotSupp},
		"no secmark":   {Options{NoSecmark: true}, flagSecCtx, errOpNotSupp},
		"others":       {Options{NoSecmark: true, NoConntrack: true}, flagGSO | flagFailOpen | flagUIDGID, 0},
		"unknown":      {Options{}, flagMax, errOpNotSupp},
	} {
		t.Run(name, func(t *testing.T) {
			k, s := boundNFQ(t, tt.o)
			if errno := request(t, s, native, nfqRequest(nfqConfig, 0, flagsAttr(tt.flags))); errno != tt.want {
				t.Errorf("flags %#x: %v, want %v", tt.flags, errno, tt.want)
			}
			if got := k.queueOf(0).flags; tt.want == 0 && got != tt.flags {
				t.Errorf("flags are %#x, want %#x", got, tt.flags)
			}
		})
	}
}

// TestConfigMask checks that only flags in the mask are cleared, and that a mask
// without flags is ignored.
func TestConfigMask(t *testing.T) {
	k, s := boundNFQ(t, Options{}, flagsAttr(flagFailOpen|flagGSO))
	set := func(attributes ...[]byte) {
		t.Helper()
		if errno := request(t, s, native, nfqRequest(nfqConfig, 0, attributes...)); errno != 0 {
			t.Fatalf("config: %v", errno)
		}
	}
	set(appendUint32(nil, configFlags, flagUIDGID), appendUint32(nil, configMask, flagUIDGID|flagGSO))
	if got := k.queueOf(0).flags; got != flagFailOpen|flagUIDGID {
		t.Errorf("flags are %#x, want FAIL_OPEN and UID_GID", got)
	}
	set(appendUint32(nil, configMask, 0xff))
	if got := k.queueOf(0).flags; got != flagFailOpen|flagUIDGID {
		t.Errorf("flags after a mask alone are %#x, want them unchanged", got)
	}
}

func TestUnbindFlushes(t *testing.T) {
	k, s := boundNFQ(t, Options{}, flagsAttr(flagFailOpen))
	j := k.Inject(Packet{Payload: ipv4("")})
	if errno := request(t, s, native, nfqRequest(nfqConfig, 0, commandAttr(commandUnbind))); errno != 0 {
		t.Errorf("unbind: %v", errno)
	}
	wantFate(t, j, Flushed)
	bind(t, s, 0)
	k.Inject(Packet{Payload: ipv4("")})
	if p := packets(t, s); len(p) != 1 || idOf(p[0]) != 1 {
		t.Errorf("after binding again: %v, want one packet with id 1", p)
	}
}
