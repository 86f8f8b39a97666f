package sock

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// initialUser is the inode of the initial user namespace on every machine
// (include/linux/proc_ns.h, PROC_USER_INIT_INO).
const initialUser = 0xEFFFFFFD

// InitialUser implements Socket. It asks the namespace of SIOCGSKNS for the
// user namespace that owns it (Linux 4.9). A kernel without user namespaces
// answers EPERM. Others answer EPERM if the owner is outside the caller's user
// namespace, but then the caller could not use the socket (fs/nsfs.c, ns_ioctl;
// kernel/user_namespace.c, ns_get_owner).
func (s *conn) InitialUser() (bool, error) {
	net, err := s.namespace()
	if err != nil {
		return false, s.closedOr(err)
	}
	defer unix.Close(net)
	user, err := unix.IoctlRetInt(net, unix.NS_GET_USERNS)
	if errors.Is(err, unix.EPERM) {
		return true, nil
	}
	if err != nil {
		return false, os.NewSyscallError("ioctl", err)
	}
	defer unix.Close(user)
	var stat unix.Stat_t
	if err := unix.Fstat(user, &stat); err != nil {
		return false, os.NewSyscallError("fstat", err)
	}
	return stat.Ino == initialUser, nil
}
