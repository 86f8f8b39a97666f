package diagnose

import "strconv"

// An errno stands for the error numbers that Plan 9 does not have. No kernel
// sends them there.
type errno uint

func (e errno) Error() string { return "errno " + strconv.Itoa(int(e)) }

const (
	eperm           = errno(1)
	enodev          = errno(19)
	emsgsize        = errno(90)
	eprotonosupport = errno(93)
	eopnotsupp      = errno(95)
)
