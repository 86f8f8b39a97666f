package kerneltest

// A Version is a release of Linux. The zero Version stands for the newest that
// has the modules asked for.
type Version struct{ Major, Minor int }

func (v Version) before(major, minor int) bool {
	return v.Major < major || v.Major == major && v.Minor < minor
}

// overshoots reports whether a message is refused only once the receive buffer
// is over its limit, so that one may exceed it, instead of before
// (net/netlink/af_netlink.c, netlink_attachskb; 6.16).
func (v Version) overshoots() bool { return v.before(6, 16) }

// capsAcks reports whether sockets know NETLINK_CAP_ACK (4.3).
func (v Version) capsAcks() bool { return !v.before(4, 3) }

// flagsCapped reports whether a reply without the body of the request says so
// with NLM_F_CAPPED (4.12).
func (v Version) flagsCapped() bool { return !v.before(4, 12) }

// roundsReplies reports whether nlmsg_len of an error reply counts its padding
// (netlink_ack; 6.2).
func (v Version) roundsReplies() bool { return !v.before(6, 2) }

// hasPriority reports whether nfnetlink_queue knows NFQA_PRIORITY (5.18).
func (v Version) hasPriority() bool { return !v.before(5, 18) }

// hasClassID reports whether nfnetlink_queue sends NFQA_CGROUP_CLASSID (6.4).
func (v Version) hasClassID() bool { return !v.before(6, 4) }

// hashes reports whether nfnetlink_queue keeps pending packets in a hash
// table, which limits their number (6.18.44).
func (v Version) hashes() bool { return !v.before(6, 18) }

// refusesEmpty reports whether sending no bytes fails with ENODATA
// (netlink_sendmsg; 5.16).
func (v Version) refusesEmpty() bool { return !v.before(5, 16) }

// unknownCommand is what nfnetlink_queue says to a command it does not know:
// ENOTSUPP until it was made a number that user space has a name for.
func (v Version) unknownCommand() Errno {
	if v.before(6, 18) {
		return errNotSupported
	}
	return errOpNotSupp
}
