package checksum

import (
	"errors"
	"fmt"

	"github.com/ipqueue/ipqueue/internal/ip"
)

// The causes of the errors of Fix, Valid and Resize. Test for them with
// errors.Is; the text of an error also contains the reason. All errors are
// preallocated.
var (
	// ErrLeftAlone means that the packet is well formed, but its transport
	// checksum is not known: the packet is a fragment, is encrypted, or has a
	// protocol that this package does not support. The checksum of the IPv4
	// header is not affected: Fix repairs it and Valid checks it.
	ErrLeftAlone = errors.New("checksum: transport left alone")

	// ErrTruncated means that the slice ends inside the IP header, or before
	// the end of the packet according to its IP length. For example, the slice
	// is a copy of the first bytes only.
	ErrTruncated = errors.New("checksum: packet truncated")

	// ErrMalformed means that a header is invalid or contradicts another one,
	// so that it is not known what a checksum covers.
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

// faults maps each fault in the headers of a packet to its error.
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
