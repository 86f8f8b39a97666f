package wire

// A CTChange is a change to the connection tracking entry of a packet, sent with
// its verdict. The kernel applies the parts in the order of the fields. It stops
// at the first part that it refuses, and reports no error
// (net/netfilter/nf_conntrack_netlink.c, ctnetlink_glue_parse_ct). The zero
// value changes nothing.
type CTChange struct {
	// Timeout is the new timeout of the entry in seconds. The kernel refuses
	// it if the entry has CTFixedTimeout.
	SetTimeout bool
	Timeout    uint32

	// Status is the complete new status: the kernel clears bits that are not
	// set, and ignores bits that cannot be changed. It refuses a status
	// without CTSeenReply or CTAssured if the entry has that bit. Before Linux
	// 4.11 it also refused a difference in CTExpected, CTConfirmed or CTDying,
	// and cleared no bits.
	SetStatus bool
	Status    CTStatus

	// Helper is the name of a helper, at most 15 bytes, or empty to remove
	// the helper. The kernel refuses any name but that of the current helper.
	SetHelper bool
	Helper    string

	// Labels contains the new values of the labels in LabelMask; it must not
	// contain others (Linux 3.9). The kernel refuses labels if the entry has
	// no room for them. An entry has room if some rule used labels when the
	// entry was created.
	SetLabels         bool
	Labels, LabelMask CTLabels

	// Mark contains the new values of the bits in MarkMask; it must not
	// contain others. If MarkMask is 0, Mark replaces all bits. Before Linux
	// 3.14 the kernel ignored the mask and replaced all bits.
	SetMark        bool
	Mark, MarkMask uint32
}

// CTChangeMax is the length in bytes of the longest encoded CTChange.
const CTChangeMax = 96

// AppendCTChange appends zeros to b until its length is a multiple of 4, and
// then the attributes of c, for use as NFQVerdict.Conntrack. It cuts c.Helper to
// 15 bytes.
func AppendCTChange(b []byte, c *CTChange) []byte {
	if c.SetTimeout {
		b = appendAttr32(b, ctaTimeout, c.Timeout)
	}
	if c.SetStatus {
		b = appendAttr32(b, ctaStatus, uint32(c.Status))
	}
	if c.SetHelper {
		b = appendHelper(b, c.Helper)
	}
	if c.SetLabels {
		b = appendLabels(b, ctaLabels, c.Labels)
		b = appendLabels(b, ctaLabelsMask, c.LabelMask)
	}
	if c.SetMark {
		b = appendAttr32(b, ctaMark, c.Mark)
		if c.MarkMask != 0 {
			b = appendAttr32(b, ctaMarkMask, c.MarkMask)
		}
	}
	return align4(b)
}

// maxHelperName is NF_CT_HELPER_NAME_LEN without the NUL at the end.
const maxHelperName = 15

// appendHelper appends CTA_HELP with the name, cut to maxHelperName bytes.
func appendHelper(b []byte, name string) []byte {
	name = name[:min(len(name), maxHelperName)]
	size := len(name) + 1
	b = appendAttrHeader(b, ctaHelp|attrNested, attrHeaderLen+(size+3)&^3)
	b = appendAttrHeader(b, ctaHelpName, size)
	return align4(append(append(b, name...), 0))
}
