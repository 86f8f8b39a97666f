package queuetest

import (
	"time"

	"github.com/ipqueue/ipqueue/internal/kerneltest"
	"github.com/ipqueue/ipqueue/queue"
)

// rawConntrack converts c to the form that the simulated kernel uses.
func rawConntrack(c *queue.Conntrack) *kerneltest.Conntrack {
	return &kerneltest.Conntrack{
		Original: rawTuple(&c.Original), Reply: rawTuple(&c.Reply),
		Status: uint32(c.Status), Timeout: uint32(c.Timeout / time.Second),
		Mark: c.Mark, ID: c.ID, Zone: c.Zone, Helper: c.Helper, Labels: c.Labels,
	}
}

func rawTuple(t *queue.CTTuple) kerneltest.Tuple {
	return kerneltest.Tuple{
		Source: t.Source, Destination: t.Destination, Protocol: t.Protocol,
		ICMPType: t.ICMPType, ICMPCode: t.ICMPCode, ICMPID: t.ICMPID, Zone: t.Zone,
	}
}

// conntrackInfo returns the kernel's number for the relation of a packet to its
// connection (include/uapi/linux/netfilter/nf_conntrack_common.h, enum
// ip_conntrack_info).
func conntrackInfo(c *queue.Conntrack) uint32 {
	info := uint32(2) // IP_CT_NEW
	switch c.State {
	case queue.CTEstablished:
		info = 0
	case queue.CTRelated:
		info = 1
	}
	if c.InReply {
		info += 3 // IP_CT_IS_REPLY
	}
	return info
}

// update copies to c the fields of the entry that verdicts can change.
func update(c *queue.Conntrack, from *kerneltest.Conntrack) {
	c.Status, c.Timeout = queue.CTStatus(from.Status), time.Duration(from.Timeout)*time.Second
	c.Mark, c.Labels, c.Helper = from.Mark, from.Labels, from.Helper
}
