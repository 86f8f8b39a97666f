package wire

// A CTChange is what a verdict changes in the packet's connection tracking
// entry. The kernel handles its parts in the order of the fields. It ends at the
// first that it refuses, and reports no error
// (net/netfilter/nf_conntrack_netlink.c, ctnetlink_glue_parse_ct). The zero
// value changes nothing.
type CTChange struct {
	// Timeout is the life of the entry in seconds. It is refused if the entry
	// has CTFixedTimeout.
	SetTimeout bool
	Timeout    uint32

	// Status is the whole new status: bits that are not set are cleared. Those
	// that cannot be changed are ignored; CTSeenReply and CTAssured missing
	// where the entry has them are a reason to refuse it. Before Linux 4.11 a
	// difference in CTExpected, CTConfirmed or CTDying was one too, and no
	// bit was cleared.
	SetStatus bool
	Status    CTStatus

	// Helper is the name of a helper, of at most 15 bytes, or empty to take the
	// helper away. Any name but that of the present helper is refused.
	SetHelper bool
	Helper    string

	// Labels take the place of those in LabelMask, and must be among them
	// (Linux 3.9). They are refused if the entry has no room for labels, which
	// it gets when it is made while some rule uses labels.
	SetLabels         bool
	Labels, LabelMask CTLabels

	// Mark takes the place of the bits in MarkMask, and must be among them, or
	// of all if MarkMask is 0. Before Linux 3.14 the mask was ignored.
	SetMark        bool
	Mark, MarkMask uint32
}

// CTChangeMax is the length in bytes of the longest encoded CTChange.
const CTChangeMax = 96

// AppendCTChange appends zeros to b until its length is a multiple of 4, then
// the attributes of the change, for NFQVerdict.Conntrack.
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

// appendHelper appends CTA_HELP with the name, cut to what the kernel takes.
func appendHelper(b []byte, name string) []byte {
	name = name[:min(len(name), maxHelperName)]
	size := len(name) + 1
	b = appendAttrHeader(b, ctaHelp|attrNested, attrHeaderLen+(size+3)&^3)
	b = appendAttrHeader(b, ctaHelpName, size)
	return align4(append(append(b, name...), 0))
}
