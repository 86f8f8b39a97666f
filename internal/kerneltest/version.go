package kerneltest

// The differences of the simulated kernel between releases. The last columns are the
// evidence: the source of the releases listed, the patch, documentation only, and the
// releases on which it was run.
//
//	what                                      | until | since | source              | run
//	------------------------------------------|-------|-------|---------------------|----------
//	a family's handler is set by PF_BIND      | 3.7   |       | 3.4, 3.6, 3.8       | 3.4
//	/proc/net/netfilter/nf_queue              | 3.7   |       | 3.4, 3.6            | 3.4
//	flags of a queue                          |       | 3.6   | 3.4, 3.6            | 3.4
//	queues of each network namespace          |       | 3.10  | 3.4, 3.6, 3.8, 3.10 | 3.4, 6.18
//	NFQA_CFG_F_GSO, NFQA_SKB_INFO             |       | 3.10  | 3.6, 3.8, 3.10      | 3.4, 6.18
//	NFQA_CFG_F_UID_GID                        |       | 3.14  | documentation       | 6.18
//	NFQA_CFG_F_SECCTX                         |       | 4.3   | documentation       | 6.18
//	NETLINK_CAP_ACK                           |       | 4.3   | documentation       | 6.18
//	command, params, maxlen, then flags       | 4.4   |       | 3.6, 3.8, 3.10, 4.4 |
//	flags, then the rest                      |       | 4.5   | 4.17, 5.10, 6.6     | 6.18
//	conntrack flag refused without its module |       | 4.5   | 4.4, 5.10           | 6.18
//	NFQA_VLAN, NFQA_L2HDR                     |       | 4.7   | documentation       | 6.18
//	NLM_F_CAPPED                              |       | 4.12  | documentation       | 6.18
//	sending nothing fails                     |       | 5.16  | documentation       | 6.18
//	NFQA_PRIORITY                             |       | 5.18  | 5.10, 6.6           | 6.18
//	error replies rounded up                  |       | 6.2   | documentation       | 6.18
//	NFQA_CGROUP_CLASSID                       |       | 6.4   | 5.10, 6.6           | 6.18
//	a message may exceed the receive buffer   | 6.15  |       | documentation       | 6.18
//	an unknown command is ENOTSUPP            | 6.17  |       | 4.17, 6.6           | 6.18
//	at most 65536 packets wait                |       | 6.18  | 7.x                 | 6.18
//	an unknown flag is EINVAL                 |       | 7.0   | 7.x                 |
//	replacements are refused by headers       |       | 7.2   | the patch           | 7.3
//	none outside the initial user namespace   |       | 7.2   | the patch           | 7.3
//	a connection keeps its helper             |       | 7.2   | documentation       |

// A Version is a release of Linux. The zero Version stands for the newest that
// has the modules asked for.
type Version struct{ Major, Minor int }

func (v Version) before(major, minor int) bool {
	return v.Major < major || v.Major == major && v.Minor < minor
}

// bindsFamilies reports whether a family's packets go to nfnetlink_queue only
// after NFQNL_CFG_CMD_PF_BIND (3.7 and before).
func (v Version) bindsFamilies() bool { return v.before(3, 8) }

// namespaced reports whether each network namespace has queues of its own
// (3.10). Before, only the initial one has, but a queue can be bound in any, and
// nothing but a command unbinds it.
func (v Version) namespaced() bool { return !v.before(3, 10) }

// knowsGSO reports whether GSO packets can be queued whole, and packets carry
// NFQA_SKB_INFO (3.10).
func (v Version) knowsGSO() bool { return !v.before(3, 10) }

// flagLimit is one more than the combination of all flags that the kernel knows
// (NFQA_CFG_F_MAX). It is 0 if the kernel does not know the attribute and ignores it.
func (v Version) flagLimit() uint32 {
	switch {
	case v.before(3, 6):
		return 0
	case v.before(3, 10):
		return flagGSO
	case v.before(3, 14):
		return flagUIDGID
	case v.before(4, 3):
		return flagSecCtx
	}
	return flagMax
}

// flagsLast reports whether flags are handled after the rest of a configuration
// message has been applied (4.4 and before).
func (v Version) flagsLast() bool { return v.before(4, 5) }

// unknownFlag is the errno for a flag that the kernel does not know. In newer kernels
// the policy of the attribute refuses it first.
func (v Version) unknownFlag() Errno {
	if v.before(7, 0) {
		return errOpNotSupp
	}
	return errInval
}

// missesConntrack reports whether a kernel without nf_conntrack_netlink refuses the
// flag for conntrack (4.5). Earlier kernels ignore it.
func (v Version) missesConntrack() bool { return !v.before(4, 5) }

// bridges reports whether nfnetlink_queue sends the tag and the link header of
// bridged packets (4.7).
func (v Version) bridges() bool { return !v.before(4, 7) }

// overshoots reports whether a message is refused only if the receive buffer is
// already over its limit, so that one message may exceed it. Since 6.16 a message
// that would exceed the limit is refused (net/netlink/af_netlink.c,
// netlink_attachskb).
func (v Version) overshoots() bool { return v.before(6, 16) }

// capsAcks reports whether sockets know NETLINK_CAP_ACK (4.3).
func (v Version) capsAcks() bool { return !v.before(4, 3) }

// flagsCapped reports whether a reply without the body of the request has the flag
// NLM_F_CAPPED (4.12).
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

// guardsPayload reports whether nfnetlink_queue checks the headers of a replacement,
// and refuses every replacement in family Bridge and in network namespaces that the
// initial user namespace does not own (nfqnl_mangle, nfqnl_validate_write; 7.2).
func (v Version) guardsPayload() bool { return !v.before(7, 2) }

// keepsHelpers reports whether a connection's helper cannot be removed
// (ctnetlink_change_helper; 7.2).
func (v Version) keepsHelpers() bool { return !v.before(7, 2) }

// refusesEmpty reports whether sending no bytes fails with ENODATA
// (netlink_sendmsg; 5.16).
func (v Version) refusesEmpty() bool { return !v.before(5, 16) }

// unknownCommand is the errno for a command that nfnetlink_queue does not know. It
// was ENOTSUPP, for which user space has no name, and later became EOPNOTSUPP.
func (v Version) unknownCommand() Errno {
	if v.before(6, 18) {
		return errNotSupported
	}
	return errOpNotSupp
}
