package wire

import "encoding/binary"

// Attributes of a configuration message (enum nfqnl_attr_config).
const (
	nfqaCfgCmd         = 1
	nfqaCfgParams      = 2
	nfqaCfgQueueMaxLen = 3
	nfqaCfgMask        = 4
	nfqaCfgFlags       = 5
)

// nfqaCfgAttrs contains the name and the minimum length in bytes of each
// attribute, indexed by type.
var nfqaCfgAttrs = [...]struct {
	name string
	size int
}{
	nfqaCfgCmd:         {"NFQA_CFG_CMD", 4},
	nfqaCfgParams:      {"NFQA_CFG_PARAMS", 5},
	nfqaCfgQueueMaxLen: {"NFQA_CFG_QUEUE_MAXLEN", 4},
	nfqaCfgMask:        {"NFQA_CFG_MASK", 4},
	nfqaCfgFlags:       {"NFQA_CFG_FLAGS", 4},
}

// A ConfigCommand creates or destroys a queue.
type ConfigCommand uint8

// The commands. CommandNone means that the message contains no command; it is
// never sent, and the kernel would refuse it. Since Linux 3.8, CommandBindFamily
// and CommandUnbindFamily have no effect.
const (
	CommandNone         ConfigCommand = 0
	CommandBind         ConfigCommand = 1 // create the queue; the sending socket owns it
	CommandUnbind       ConfigCommand = 2 // destroy the queue and drop its packets
	CommandBindFamily   ConfigCommand = 3 // let nfnetlink_queue handle the queued packets of Family
	CommandUnbindFamily ConfigCommand = 4 // undo CommandBindFamily
)

// String returns "none", "bind", "unbind", "bind family" or "unbind family".
func (c ConfigCommand) String() string {
	return name("ConfigCommand", uint32(c), "none", "bind", "unbind", "bind family", "unbind family")
}

// An NFQConfig is a request to create, change or destroy one queue. One message
// can contain a command and all settings. The kernel checks the flags first; if
// it refuses them, it does nothing at all. The zero value changes nothing.
type NFQConfig struct {
	// Queue is the number of the queue.
	Queue uint16

	// Command creates or destroys the queue. To change a queue that already
	// exists, use CommandNone.
	Command ConfigCommand
	// Family is the protocol family for CommandBindFamily and
	// CommandUnbindFamily: 2 for IPv4, 10 for IPv6. The kernel ignores the
	// rest of such a message.
	Family uint8

	// Mode and Range are sent if SetMode is true. Range is the number of
	// bytes to copy of each packet in mode CopyPacket. 0 and values above
	// NFQMaxPayload mean NFQMaxPayload.
	SetMode bool
	Mode    CopyMode
	Range   uint32

	// MaxLen is the most packets that may wait for a verdict; a new queue
	// has 1024. It is sent if SetMaxLen is true.
	SetMaxLen bool
	MaxLen    uint32

	// Flags contains the new values of the bits that are set in Mask; other
	// bits keep their values. Both are sent if Mask is not 0 (Linux 3.6).
	Flags, Mask ConfigFlags
}

// AppendNFQConfig appends zeros to b until its length is a multiple of 4, where
// the next message of a datagram must start, and then a configuration message.
// It always adds FlagRequest to flags. With FlagAck the kernel also replies on
// success. port is the port of the sending socket, or 0.
func AppendNFQConfig(b []byte, flags uint16, seq, port uint32, c *NFQConfig) []byte {
	b, m := extend(align4(b), nfqHeadLen)
	start := len(b) - nfqHeadLen
	putNFQHead((*[nfqHeadLen]byte)(m), NFQConfigType, flags, seq, port, c.Queue)
	if c.Command != CommandNone {
		b = AppendAttr(b, nfqaCfgCmd, []byte{byte(c.Command), 0, 0, c.Family})
	}
	if c.SetMode {
		b = appendAttr32(b, nfqaCfgParams, c.Range)
		b = append(b, byte(c.Mode))
		putAttrHeader(b[len(b)-attrHeaderLen-5:], nfqaCfgParams, 5)
	}
	if c.SetMaxLen {
		b = appendAttr32(b, nfqaCfgQueueMaxLen, c.MaxLen)
	}
	if c.Mask != 0 {
		b = appendAttr32(b, nfqaCfgMask, uint32(c.Mask))
		b = appendAttr32(b, nfqaCfgFlags, uint32(c.Flags))
	}
	putLen(b[start:])
	return b
}

const nfqConfigName = "nfqueue config"

// Parse sets every field of c from the body of a message of type NFQConfigType,
// for example the one repeated in the reply to a refused request. It skips
// unknown attributes. It fails with ErrTruncated or ErrLength; c then contains
// the attributes before the error.
func (c *NFQConfig) Parse(body []byte) error {
	*c = NFQConfig{}
	if len(body) < nfgenLen {
		return nfgenError(nfqConfigName, body)
	}
	c.Queue = binary.BigEndian.Uint16(body[2:])
	for b := body[nfgenLen:]; len(b) > 0; {
		typ, n, ok := attrHeader(b)
		if !ok {
			return framingError(nfqConfigName, len(body)-len(b), b)
		}
		if e := c.set(typ, b[attrHeaderLen:n]); e != nil {
			e.Offset = len(body) - len(b)
			return e
		}
		b = afterAttr(b, n)
	}
	return nil
}

// set decodes one attribute.
func (c *NFQConfig) set(typ uint16, data []byte) *Error {
	if int(typ) >= len(nfqaCfgAttrs) {
		return nil
	}
	if a := &nfqaCfgAttrs[typ]; len(data) < a.size {
		return &Error{Message: nfqConfigName, What: a.name, Want: a.size, Got: len(data), Err: ErrLength}
	}
	switch typ {
	case nfqaCfgCmd:
		c.Command, c.Family = ConfigCommand(data[0]), data[3]
	case nfqaCfgParams:
		c.SetMode = true
		c.Range = binary.BigEndian.Uint32(data)
		c.Mode = CopyMode(data[4])
	case nfqaCfgQueueMaxLen:
		c.SetMaxLen = true
		c.MaxLen = binary.BigEndian.Uint32(data)
	case nfqaCfgMask:
		c.Mask = ConfigFlags(binary.BigEndian.Uint32(data))
	case nfqaCfgFlags:
		c.Flags = ConfigFlags(binary.BigEndian.Uint32(data))
	}
	return nil
}
