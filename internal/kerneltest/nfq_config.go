package kerneltest

// Commands, NFQNL_CFG_CMD_*.
const (
	commandBind     = 1
	commandUnbind   = 2
	commandPFBind   = 3
	commandPFUnbind = 4
)

// Flags, NFQA_CFG_F_*.
const (
	flagFailOpen  = 0x01
	flagConntrack = 0x02
	flagGSO       = 0x04
	flagUIDGID    = 0x08
	flagSecCtx    = 0x10
	flagMax       = 0x20
)

// configure handles NFQNL_MSG_CONFIG (nfqnl_recv_config).
func (q *nfq) configure(from sender, number uint16, b []byte) Errno {
	a, errno := parseAttributes(b, configMax, configPolicy)
	if errno != 0 {
		return errno
	}
	linux := q.k.opts.Linux
	command := a[configCommand]
	if command != nil && (command[0] == commandPFBind || command[0] == commandPFUnbind) {
		return q.family(command[0], network.Uint16(command[2:]))
	}
	if !linux.flagsLast() {
		if errno := q.checkFlags(a); errno != 0 {
			return errno
		}
	}
	queue := q.queues[number]
	if queue != nil && queue.owner != from.port {
		return errPerm
	}
	if command != nil {
		done, errno := q.command(from, number, command[0])
		if done || errno != 0 {
			return errno
		}
	}
	return q.settings(number, a)
}

// family sets or unsets the handler of a protocol family
// (nf_register_queue_handler, nf_unregister_queue_handler).
func (q *nfq) family(command byte, f uint16) Errno {
	switch {
	case !q.k.opts.Linux.bindsFamilies():
		return 0
	case f >= families:
		return errInval
	case q.k.ipqOf(Family(f)) != nil && command == commandPFBind:
		return errBusy
	case q.k.ipqOf(Family(f)) != nil:
		return errInval
	case q.families[Family(f)] && command == commandPFBind:
		return errExist
	}
	q.families[Family(f)] = command == commandPFBind
	return 0
}

// checkFlags refuses flags that this kernel does not support.
func (q *nfq) checkFlags(a attributes) Errno {
	linux := q.k.opts.Linux
	if a[configFlags] == nil || linux.flagLimit() == 0 {
		return 0
	}
	if a[configMask] == nil {
		return errInval
	}
	flags := network.Uint32(a[configFlags])
	wanted := flags & network.Uint32(a[configMask])
	switch {
	case flags >= linux.flagLimit():
		return linux.unknownFlag()
	case wanted&flagSecCtx != 0 && q.k.opts.NoSecmark,
		wanted&flagConntrack != 0 && q.k.opts.NoConntrack && linux.missesConntrack():
		return errOpNotSupp
	default:
		return 0
	}
}

// command binds or unbinds a queue or a family. done reports whether the kernel
// ignores the rest of the message.
func (q *nfq) command(from sender, number uint16, command byte) (done bool, errno Errno) {
	queue := q.queues[number]
	switch {
	case command == commandBind && queue != nil:
		return false, errBusy
	case command == commandBind:
		q.queues[number] = newNFQQueue(q.k, number, from.port)
		q.bound[number] = true
		return false, 0
	case command == commandUnbind && queue == nil:
		return false, errNoDev
	case command == commandUnbind:
		q.destroy(queue)
		return true, 0
	default:
		return false, q.k.opts.Linux.unknownCommand()
	}
}

// settings applies the other attributes.
func (q *nfq) settings(number uint16, a attributes) Errno {
	linux := q.k.opts.Linux
	knowsFlags := linux.flagLimit() > 0
	queue := q.queues[number]
	if queue == nil {
		some := a[configParams] != nil || a[configMaxLength] != nil || a[configFlags] != nil && knowsFlags
		if linux.flagsLast() && !some {
			return 0
		}
		return errNoDev
	}
	if p := a[configParams]; p != nil {
		queue.setMode(p[4], network.Uint32(p))
	}
	if n := a[configMaxLength]; n != nil {
		queue.maxLength = network.Uint32(n)
	}
	if errno := q.checkFlags(a); errno != 0 {
		return errno // old kernels have already applied the other settings
	}
	if a[configFlags] != nil && knowsFlags {
		mask := network.Uint32(a[configMask])
		queue.flags = queue.flags&^mask | network.Uint32(a[configFlags])&mask
	}
	return 0
}

// setMode ignores modes that it does not know (nfqnl_set_mode).
func (q *nfqQueue) setMode(mode byte, size uint32) {
	switch mode {
	case nfqCopyNone, nfqCopyMeta:
		q.mode, q.copyRange = mode, 0
	case nfqCopyPacket:
		if size == 0 || size > nfqMaxRange {
			size = nfqMaxRange
		}
		q.mode, q.copyRange = mode, size
	}
}
