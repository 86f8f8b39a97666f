package kerneltest

import "bytes"

// Bits of the status of an entry, IPS_*
// (include/uapi/linux/netfilter/nf_conntrack_common.h).
const (
	statusExpected     = 0x1
	statusSeenReply    = 0x2
	statusAssured      = 0x4
	statusFixedTimeout = 0x400
	statusHelper       = 0x2000

	statusOnlySet    = statusSeenReply | statusAssured
	statusChangeable = statusOnlySet | statusFixedTimeout | statusHelper // not in IPS_UNCHANGEABLE_MASK
)

// change applies the NFQA_CT of a verdict, in the kernel's order, and stops at the
// first part that it refuses (nf_conntrack_netlink.c, ctnetlink_glue_parse_ct).
func (c *Conntrack) change(b []byte, keepsHelper bool) Errno {
	a, errno := parseAttributes(b, ctMax, ctPolicy)
	if errno != 0 {
		return errno
	}
	changeHelper := c.changeHelper
	if keepsHelper {
		changeHelper = func(*attributes) Errno { return errOpNotSupp }
	}
	for _, part := range []struct {
		kind  uint16
		apply func(*attributes) Errno
	}{
		{ctTimeout, c.changeTimeout}, {ctStatus, c.changeStatus}, {ctHelp, changeHelper},
		{ctLabels, c.changeLabels}, {ctMark, c.changeMark},
	} {
		if a[part.kind] == nil {
			continue
		}
		if errno := part.apply(&a); errno != 0 {
			return errno
		}
	}
	return 0
}

func (c *Conntrack) changeTimeout(a *attributes) Errno {
	if c.Status&statusFixedTimeout != 0 {
		return errPerm
	}
	c.Timeout = network.Uint32(a[ctTimeout])
	return 0
}

// changeStatus is ctnetlink_update_status, of Linux 4.11 and later.
func (c *Conntrack) changeStatus(a *attributes) Errno {
	status := network.Uint32(a[ctStatus])
	if c.Status&^status&statusOnlySet != 0 {
		return errBusy
	}
	c.Status = c.Status&^statusChangeable | status&statusChangeable
	return 0
}

// changeHelper removes or keeps the helper (ctnetlink_change_helper).
func (c *Conntrack) changeHelper(a *attributes) Errno {
	help, errno := parseAttributes(a[ctHelp], ctHelpName, nil)
	if errno != 0 || help[ctHelpName] == nil {
		return errInval
	}
	name, _, _ := bytes.Cut(help[ctHelpName], []byte{0})
	switch {
	case string(name) == c.Helper:
		return 0
	case c.Status&statusExpected != 0:
		return errBusy
	case len(name) > 0:
		return errOpNotSupp
	}
	c.Helper = ""
	return 0
}

// changeLabels replaces the labels in the mask. Labels of the change outside the mask
// are inverted (nf_connlabels_replace).
func (c *Conntrack) changeLabels(a *attributes) Errno {
	labels, mask := a[ctLabels], a[ctLabelsMask]
	switch {
	case len(labels) != 16 || mask != nil && len(mask) != len(labels):
		return errInval
	case c.NoLabels:
		return errNoSpc
	case mask == nil:
		mask = bytes.Repeat([]byte{0xff}, len(labels))
	}
	l, m := labelWords(labels), labelWords(mask)
	for i := range c.Labels {
		c.Labels[i] = c.Labels[i]&^m[i] ^ l[i]
	}
	return 0
}

// changeMark replaces the bits in the mask. Bits of the new mark outside the mask
// are inverted (ctnetlink_change_mark).
func (c *Conntrack) changeMark(a *attributes) Errno {
	mask := ^uint32(0)
	if m := a[ctMarkMask]; m != nil {
		mask = network.Uint32(m)
	}
	c.Mark = c.Mark&^mask ^ network.Uint32(a[ctMark])
	return 0
}
