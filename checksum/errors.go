package checksum

import (
	"errors"
	"fmt"

	"github.com/ipqueue/ipqueue/internal/ip"
)

// What Fix, Valid and Resize return matches one of these with errors.Is, and
// its text adds the reason. All of it is made once: to report an error
// allocates nothing.
var (
	// ErrLeftAlone means that the packet is well formed, but its transport
	// checksum was left alone on purpose: the packet is a fragment, is
	// encrypted or carries a protocol that is not known here. The checksum of
	// its IPv4 header was not left alone.
	ErrLeftAlone = errors.New("checksum: transport left alone")

	// ErrTruncated means that the packet ends within its IP header, or before
	// the end that its IP length gives, like a copy cut to the capture range.
	ErrTruncated = errors.New("checksum: packet truncated")

	// ErrMalformed means that a header contradicts itself or another one, so
	// that nothing can be said of what a checksum covers.
	ErrMalformed = errors.New("checksum: packet malformed")
)

var (
	errFragment  = fmt.Errorf("%w: fragment", ErrLeftAlone)
	errEncrypted = fmt.Errorf("%w: encrypted by ESP", ErrLeftAlone)
	errProtocol  = fmt.Errorf("%w: unknown protocol", ErrLeftAlone)
	errRouting   = fmt.Errorf("%w: unknown type of routing header", ErrLeftAlone)

	errHeader = fmt.Errorf("%w: within the IP header", ErrTruncated)
	errLength = fmt.Errorf("%w: before the end given by its IP length", ErrTruncated)

	errVersion      = fmt.Errorf("%w: neither IPv4 nor IPv6", ErrMalformed)
	errHeaderLength = fmt.Errorf("%w: IPv4 header length below 20", ErrMalformed)
	errTotalLength  = fmt.Errorf("%w: IPv4 total length below the header's", ErrMalformed)
	errTooLong      = fmt.Errorf("%w: too long for its IP length field", ErrMalformed)
	errOption       = fmt.Errorf("%w: option past the end of its header", ErrMalformed)
	errSourceRoute  = fmt.Errorf("%w: IPv4 source route", ErrMalformed)
	errHomeAddress  = fmt.Errorf("%w: home address option", ErrMalformed)
	errJumbo        = fmt.Errorf("%w: jumbo payload option", ErrMalformed)
	errRoute        = fmt.Errorf("%w: IPv6 routing header", ErrMalformed)
	errExtension    = fmt.Errorf("%w: extension header past the end", ErrMalformed)
	errTransport    = fmt.Errorf("%w: transport header past the end", ErrMalformed)
	errUDPLength    = fmt.Errorf("%w: UDP length", ErrMalformed)
	errDataOffset   = fmt.Errorf("%w: DCCP data offset", ErrMalformed)
	errCoverage     = fmt.Errorf("%w: checksum coverage", ErrMalformed)
)

// faults has the error of each fault in the headers of a packet.
var faults = [...]error{
	ip.HeaderCut:      errHeader,
	ip.NotIP:          errVersion,
	ip.HeaderTooShort: errHeaderLength,
	ip.TotalTooShort:  errTotalLength,
	ip.BadOption:      errOption,
	ip.BadSourceRoute: errSourceRoute,
	ip.BadHomeAddress: errHomeAddress,
	ip.BadJumbo:       errJumbo,
	ip.BadRoute:       errRoute,
	ip.ExtensionCut:   errExtension,
}
