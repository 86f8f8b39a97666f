//go:build !linux

package sock

// Host returns a kernel whose every method fails with ErrUnsupported.
func Host() Kernel { return noKernel{} }

type noKernel struct{}

func (noKernel) Open(Config) (Socket, error)         { return nil, ErrUnsupported }
func (noKernel) ReadFile(string) ([]byte, error)     { return nil, ErrUnsupported }
func (noKernel) Glob(string) []string                { return nil }
func (noKernel) WriteFile(string, []byte) error      { return ErrUnsupported }
func (noKernel) Holder(int, uint32) (Process, error) { return Process{}, ErrUnsupported }
