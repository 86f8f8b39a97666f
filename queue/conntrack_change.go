package queue

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/ipqueue/ipqueue/wire"
)

// A CTChange is what a verdict changes in the packet's connection tracking
// entry, whatever its action. The zero value changes nothing. It requires
// Config.Conntrack, with which Open makes sure that the kernel can do it; without,
// the verdict is refused with ErrUnsupported.
//
// A change that the packet's entry does not admit is left out, and the verdict
// is carried out: all of it for a packet without an entry (one that is not
// tracked, multicast for example), a Timeout where that is fixed, NoHelper for an
// expected connection. Stats.ConntrackSkipped counts those verdicts.
//
// The kernel makes the changes in the order Timeout, SetStatus and ClearStatus,
// NoHelper, SetLabels and ClearLabels, Mark. If it refuses one, which the library
// cannot always foresee, it leaves out the rest as well; the verdict stands, and
// the kernel reports nothing (net/netfilter/nf_conntrack_netlink.c,
// ctnetlink_glue_parse_ct). The connection's next packets show what was done.
type CTChange struct {
	// Mark changes the connection's mark in the bits of MarkMask, like
	// Verdict.Mark that of the packet. Linux before 3.14 ignores MarkMask and
	// changes all bits.
	Mark, MarkMask uint32

	// NoHelper takes the connection's helper away. No verdict can give it
	// another one; that of a connection that is CTExpected stays. Linux 7.2 and
	// later cannot do it: the verdict is refused with ErrUnsupported.
	NoHelper bool

	// SetLabels become set, ClearLabels cleared, other labels stay. The kernel
	// refuses it for a connection without room for labels, which one has that
	// began while some rule used labels (Linux 3.9).
	SetLabels, ClearLabels CTLabels

	// Timeout, if not 0, is for how long the entry lives on, rounded up to
	// seconds, at most 2^32-1. The connection's next packet sets it anew unless
	// the entry is CTFixedTimeout, which the same verdict may make it. Before
	// Linux 6.4 the timeout of an entry that is not CTConfirmed yet comes out far
	// too long.
	Timeout time.Duration

	// SetStatus become set, ClearStatus cleared. CTSeenReply, CTAssured,
	// CTFixedTimeout and CTHelper can be set; the latter two can be cleared
	// (Linux 4.11, ignored before). The kernel refuses it if the connection has
	// become CTSeenReply or CTAssured since the packet was queued.
	SetStatus, ClearStatus CTStatus
}

// The bits of CTStatus that the kernel lets be changed
// (IPS_UNCHANGEABLE_MASK, ctnetlink_update_status).
const (
	clearable = CTFixedTimeout | CTHelper
	settable  = clearable | CTSeenReply | CTAssured
)

// maxTimeout is the longest that CTA_TIMEOUT can hold.
const maxTimeout = math.MaxUint32 * time.Second

// fit leaves out what the kernel would not do to the entry, given as it came with
// the packet, and completes SetStatus, which the kernel wants whole. It reports
// false if it left out anything.
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

// valid refuses what makes no sense for any entry.
func (c *CTChange) valid() error {
	switch {
	case c.MarkMask != 0 && c.Mark&^c.MarkMask != 0:
		return fmt.Errorf("%w: connection mark %#x has bits outside of mask %#x", ErrInvalid, c.Mark, c.MarkMask)
	case c.SetLabels[0]&c.ClearLabels[0]|c.SetLabels[1]&c.ClearLabels[1] != 0:
		return fmt.Errorf("%w: a label cannot be set and cleared", ErrInvalid)
	case c.Timeout < 0 || c.Timeout > maxTimeout:
		return fmt.Errorf("%w: connection timeout %v", ErrInvalid, c.Timeout)
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

// changedLabels are those of SetLabels and ClearLabels.
func (c *CTChange) changedLabels() CTLabels {
	return CTLabels{c.SetLabels[0] | c.ClearLabels[0], c.SetLabels[1] | c.ClearLabels[1]}
}

// append appends the change encoded, after fit.
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

// String shows the changes in the rules' words, as in "ct mark 0x5 ct timeout
// 1m0s"; nothing of the zero value.
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

// markText shows a mark as rules do: the mask only if it leaves some bits.
func markText(mark, mask uint32) string {
	if mask == 0 || mask == ^uint32(0) {
		return fmt.Sprintf("%#x", mark)
	}
	return fmt.Sprintf("%#x/%#x", mark, mask)
}
