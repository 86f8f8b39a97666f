package netns

import (
	"errors"
	"fmt"
	"syscall"
)

// A refusal holds the errnos that the two ways to new namespaces met.
type refusal struct {
	user  syscall.Errno // a user and a network namespace
	alone syscall.Errno // a network namespace only
}

func newRefusal(user, alone error) refusal {
	var r refusal
	errors.As(user, &r.user)
	errors.As(alone, &r.alone)
	return r
}

func (r refusal) Error() string {
	return fmt.Sprintf("netns: the kernel refuses a user and network namespace (%v) and a network namespace alone (%v)",
		r.user, r.alone)
}

func (r refusal) Unwrap() []error { return []error{r.user, r.alone} }

// The form a refusal has in the environment.
const refusalFormat = "refused %d %d"

func (r refusal) marker() string {
	return fmt.Sprintf(refusalFormat, int(r.user), int(r.alone))
}

func parseRefusal(value string) (refusal, bool) {
	var user, alone int
	_, err := fmt.Sscanf(value, refusalFormat, &user, &alone)
	return refusal{syscall.Errno(user), syscall.Errno(alone)}, err == nil
}
