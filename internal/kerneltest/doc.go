// Package kerneltest is a kernel made of memory: ip_queue, ip6_queue and
// nfnetlink_queue behind the interfaces of package sock, for tests and for
// programs that want to be tried without root. Package queuetest is its public
// face.
//
//	k := kerneltest.New(kerneltest.Options{})
//	q, err := queue.Open(sock.WithKernel(ctx, k), queue.Config{})
//	...
//	j := k.Inject(kerneltest.Packet{Payload: packet})
//	...
//	if f := j.Wait(); f != kerneltest.Accepted { ... }
//
// It keeps the rules of the real ones, with byte code of its own: which errno
// a request gets and which none, what becomes of every packet, when a socket
// overruns. A test injects packets with Kernel.Inject and follows each one
// through its Journey; it breaks things with the methods of fault.go.
//
// The package has no goroutines, system calls or files, except for UserSocket
// (Linux), which puts the same machines behind a real netlink socket. It waits
// only on sync.Cond, so that it works in a bubble of testing/synctest. A
// Kernel and everything that belongs to it is safe for concurrent use.
//
// What is not simulated: entering a network namespace (Config.NetNS is ignored;
// Options.OtherNamespace puts the whole process into one), the rules themselves
// (a Packet says what its rule does), rerouting, and extension headers in GSO
// packets. version.go lists what differs by release, and how that is known.
//
// The parts: kernel.go has the sockets and their ports, socket.go and buffer.go
// one socket; traverse.go moves packets, journey.go tells of them; ipq*.go and
// nfq*.go are the two queues, and know nothing of sockets except unicast to a
// port; link.go has the interfaces, proc.go the files.
package kerneltest
