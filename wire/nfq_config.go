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

// nfqaCfgAttrs holds, by type, the name of each attribute and the least number
// of bytes that it must hold.
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

// The commands. The kernel refuses CommandNone if it is sent; here it stands
// for no command. The last two do nothing since Linux 3.8.
const (
	CommandNone         ConfigCommand = 0
	CommandBind         ConfigCommand = 1 // create the queue, owned by the sending socket
	CommandUnbind       ConfigCommand = 2 // destroy it and drop its packets
	CommandBindFamily   ConfigCommand = 3 // give nfnetlink_queue the packets of Family
	CommandUnbindFamily ConfigCommand = 4 // and take them away
)

// String returns "none", "bind", "unbind", "bind family" or "unbind family".
func (c ConfigCommand) String() string {
	return name("ConfigCommand", uint32(c), "none", "bind", "unbind", "bind family", "unbind family")
}

// An NFQConfig is a request to create, change or destroy one queue. One message
// can hold a command and all settings; the kernel checks the flags first and
// does nothing if it refuses them. The zero value asks for nothing.
type NFQConfig struct {
	// Queue is the number of the queue.
	Queue uint16

	// Command is CommandNone to change a queue that is already bound.
	Command ConfigCommand
	// Family is the protocol family that CommandBindFamily and
	// CommandUnbindFamily are about: 2 is IPv4, 10 is IPv6. The kernel does not
	// look at the rest of such a message.
	Family uint8

	// Mode and Range are sent if SetMode is true. Range is how many bytes of
	// each packet are wanted in mode CopyPacket; 0 and all above
	// NFQMaxPayload mean NFQMaxPayload.
	SetMode bool
	Mode    CopyMode
	Range   uint32

	// MaxLen, in packets, is sent if SetMaxLen is true. A new queue holds
	// 1024.
	SetMaxLen bool
	MaxLen    uint32

	// Flags holds the new values of the bits that are set in Mask. Both are
	// sent if Mask is not 0, as Linux 3.6 and later know them.
	Flags, Mask ConfigFlags
}

// AppendNFQConfig appends zeros to b until its length is a multiple of 4, as the
// messages of a datagram must start at such an offset, and then one
// configuration message. FlagRequest is always added to flags; with FlagAck the
// kernel reports success too. port is the port of the sending socket, or 0.
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

// ParseNFQConfig sets all of c from the body of a message of type
// NFQConfigType, such as the one in the reply to a refused request. Unknown
// attributes are skipped. It fails with ErrTruncated or ErrLength; then c holds
// what was read up to the error.
func ParseNFQConfig(body []byte, c *NFQConfig) error {
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
