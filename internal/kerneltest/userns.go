package kerneltest

import "os"

// InitialUser implements sock.Socket.
func (s *Socket) InitialUser() (bool, error) {
	s.k.mu.Lock()
	defer s.k.mu.Unlock()
	if s.closed {
		return false, os.ErrClosed
	}
	return !s.k.opts.UserNamespace, nil
}
