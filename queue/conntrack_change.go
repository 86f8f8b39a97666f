package queue

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/ipqueue/ipqueue/wire"
)

// A CTChange is a change to the connection tracking entry of a packet, made by
// its verdict, whatever the Action. The zero value changes nothing. A CTChange
// requires Config.Conntrack; without it, the verdict is refused with
// ErrUnsupported.
//
// If the entry of the packet does not allow a change, the queue leaves it out
// and sends the verdict, and Stats.ConntrackSkipped counts the verdict. It
// leaves out everything if the packet has no entry (for example an untracked or
// a multicast packet), Timeout if the entry is CTFixedTimeout, and NoHelper if
// it is CTExpected.
//
// The kernel makes the changes in the order Timeout, SetStatus and ClearStatus,
// NoHelper, SetLabels and ClearLabels, Mark. If it refuses one of them, which
// the queue cannot always foresee, it leaves out that one and all later ones.
// It still carries out the verdict, and reports no error
// (net/netfilter/nf_conntrack_netlink.c, ctnetlink_glue_parse_ct). Later
// packets of the connection show the result.
type CTChange struct {
	// Mark and MarkMask change the mark of the connection, as Verdict.Mark and
	// Verdict.MarkMask change that of the packet. Linux before 3.14 ignores
	// MarkMask and changes all bits.
	Mark, MarkMask uint32

	// NoHelper removes the helper from the connection. A verdict cannot assign
	// another one. Linux 7.2 and later do not support NoHelper: the verdict is
	// refused with ErrUnsupported.
	NoHelper bool

	// SetLabels are labels to add, and ClearLabels labels to remove (Linux
	// 3.9). The kernel refuses both if the entry has no room for labels. It has
	// room if some rule used labels when the connection started.
	SetLabels, ClearLabels CTLabels

	// Timeout, if not 0, is the new timeout of the entry, rounded up to
	// seconds, at most 2^32-1 seconds. The next packet of the connection sets
	// it again, unless the entry is CTFixedTimeout, which SetStatus can make
	// it. Before Linux 6.4, the timeout of an entry that is not CTConfirmed yet
	// becomes far too long.
	Timeout time.Duration

	// SetStatus are bits to set, and ClearStatus bits to clear. CTSeenReply,
	// CTAssured, CTFixedTimeout and CTHelper can be set; CTFixedTimeout and
	// CTHelper can be cleared (Linux 4.11; ignored before). Other bits are
	// refused with ErrInvalid. The kernel refuses the change if the entry has
	// become CTSeenReply or CTAssured since the packet was queued.
	SetStatus, ClearStatus CTStatus
}

// The bits of CTStatus that the kernel allows to change
// (IPS_UNCHANGEABLE_MASK, ctnetlink_update_status).
const (
	clearable = CTFixedTimeout | CTHelper
	settable  = clearable | CTSeenReply | CTAssured
)

// maxTimeout is the longest timeout that CTA_TIMEOUT can contain.
const maxTimeout = math.MaxUint32 * time.Second

// fit removes from c what the kernel would not do to the entry, which is given
// as it came with the packet. It adds the present bits to SetStatus, because
// the kernel expects the complete status. fit reports whether it removed
// nothing.
func (c *CTChange) fit(entry []byte) (whole bool) {
	if *c == (CTChange{}) {
		return true
	}
	var e wire.Conntrack
	if len(entry) == 0 || e.Parse(entry) != nil {
		*c = CTChange{}
		return false
	}
	whole = true
	if c.Timeout != 0 && e.Status&wire.CTFixedTimeout != 0 {
		c.Timeout, whole = 0, false
	}
	if c.NoHelper && e.Status&wire.CTExpected != 0 {
		c.NoHelper, whole = false, false
	}
	if c.changesStatus() {
		c.SetStatus = (c.SetStatus | CTStatus(e.Status)) &^ c.ClearStatus
	}
	return whole
}

// valid refuses what is invalid for every entry.
func (c *CTChange) valid() error {
	switch {
	case c.MarkMask != 0 && c.Mark&^c.MarkMask != 0:
		return fmt.Errorf("%w: connection mark %#x has bits outside of mask %#x", ErrInvalid, c.Mark, c.MarkMask)
	case c.SetLabels[0]&c.ClearLabels[0]|c.SetLabels[1]&c.ClearLabels[1] != 0:
		return fmt.Errorf("%w: a label cannot be set and cleared", ErrInvalid)
	case c.Timeout < 0 || c.Timeout > maxTimeout:
		return fmt.Errorf("%w: connection timeout %v, but must be from 0 to %v", ErrInvalid, c.Timeout, maxTimeout)
	case c.SetStatus&^settable != 0:
		return fmt.Errorf("%w: connection status %v cannot be set", ErrInvalid, c.SetStatus&^settable)
	case c.ClearStatus&^clearable != 0:
		return fmt.Errorf("%w: connection status %v cannot be cleared", ErrInvalid, c.ClearStatus&^clearable)
	case c.SetStatus&c.ClearStatus != 0:
		return fmt.Errorf("%w: connection status %v cannot be set and cleared", ErrInvalid, c.SetStatus&c.ClearStatus)
	}
	return nil
}

func (c *CTChange) changesStatus() bool { return c.SetStatus|c.ClearStatus != 0 }
func (c *CTChange) changesMark() bool   { return c.Mark|c.MarkMask != 0 }

// changedLabels returns the labels in SetLabels or ClearLabels.
func (c *CTChange) changedLabels() CTLabels {
	return CTLabels{c.SetLabels[0] | c.ClearLabels[0], c.SetLabels[1] | c.ClearLabels[1]}
}

// append appends the encoded change. The caller has called fit.
func (c *CTChange) append(b []byte) []byte {
	labels := c.changedLabels()
	return wire.AppendCTChange(b, &wire.CTChange{
		SetTimeout: c.Timeout != 0, Timeout: uint32((c.Timeout + time.Second - 1) / time.Second),
		SetStatus: c.changesStatus(), Status: wire.CTStatus(c.SetStatus),
		SetHelper: c.NoHelper,
		SetLabels: labels != CTLabels{}, Labels: wire.CTLabels(c.SetLabels), LabelMask: wire.CTLabels(labels),
		SetMark: c.changesMark(), Mark: c.Mark, MarkMask: c.MarkMask,
	})
}

// String returns the changes in the syntax of rules, for example "ct mark 0x5
// ct timeout 1m0s", or "" for the zero value.
func (c CTChange) String() string {
	var said parts
	said.add(c.changesMark(), "ct mark %s", markText(c.Mark, c.MarkMask))
	said.add(c.Timeout != 0, "ct timeout %v", c.Timeout)
	said.add(c.SetStatus != 0, "ct status +%v", c.SetStatus)
	said.add(c.ClearStatus != 0, "ct status -%v", c.ClearStatus)
	said.add(c.SetLabels != CTLabels{}, "ct labels +%v", c.SetLabels)
	said.add(c.ClearLabels != CTLabels{}, "ct labels -%v", c.ClearLabels)
	said.add(c.NoHelper, "ct no helper")
	return strings.Join(said, " ")
}

// markText formats a mark as in rules: with the mask only if it excludes some bits.
func markText(mark, mask uint32) string {
	if mask == 0 || mask == ^uint32(0) {
		return fmt.Sprintf("%#x", mark)
	}
	return fmt.Sprintf("%#x/%#x", mark, mask)
}
