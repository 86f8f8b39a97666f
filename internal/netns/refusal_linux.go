package netns

import (
	"errors"
	"fmt"
	"syscall"
)

// A refusal contains the errnos of the two ways to create namespaces.
type refusal struct {
	alone syscall.Errno // a network namespace only
	user  syscall.Errno // a user and a network namespace
}

func newRefusal(alone, user error) refusal {
	var r refusal
	errors.As(alone, &r.alone)
	errors.As(user, &r.user)
	return r
}

func (r refusal) Error() string {
	return fmt.Sprintf("netns: the kernel refuses a network namespace (%v) and one with a user namespace (%v)",
		r.alone, r.user)
}

func (r refusal) Unwrap() []error { return []error{r.alone, r.user} }

// The form of a refusal in the environment.
const refusalFormat = "refused %d %d"

func (r refusal) marker() string {
	return fmt.Sprintf(refusalFormat, int(r.alone), int(r.user))
}

func parseRefusal(value string) (refusal, bool) {
	var alone, user int
	_, err := fmt.Sscanf(value, refusalFormat, &alone, &user)
	return refusal{syscall.Errno(alone), syscall.Errno(user)}, err == nil
}
