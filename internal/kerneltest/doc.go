// Package kerneltest simulates a kernel in memory: ip_queue, ip6_queue and
// nfnetlink_queue behind the interfaces of package sock. Tests use it, and programs
// that must run without root. Package queuetest is its public API.
//
//	k := kerneltest.New(kerneltest.Options{})
//	q, err := queue.Open(sock.WithKernel(ctx, k), queue.Config{})
//	...
//	j := k.Inject(kerneltest.Packet{Payload: packet})
//	...
//	if f := j.Wait(); f != kerneltest.Accepted { ... }
//
// It follows the rules of the real kernel: the errno of each request, the fate of
// every packet, and the overrun of a socket. It encodes and decodes messages with
// its own code instead of package wire, because a shared codec would hide its own
// mistakes. A test injects packets with Kernel.Inject and follows each one through
// its Journey. The methods in fault.go simulate failures.
//
// The package has no goroutines, system calls or files, except for UserSocket
// (Linux), which puts the same simulation behind a real netlink socket. It waits
// only on sync.Cond, so it works in a testing/synctest bubble. A Kernel and
// everything that belongs to it are safe for concurrent use.
//
// These things are not simulated: entering a network namespace (Config.NetNS is
// ignored; Options.OtherNamespace puts the whole process into one), the rules
// themselves (a Packet contains what its rule does), rerouting, and extension
// headers in GSO packets. version.go lists the differences between releases, and
// how each is known.
//
// The files: kernel.go has the sockets and their ports; socket.go and buffer.go one
// socket; traverse.go moves packets, and journey.go reports what happens to them;
// ipq*.go and nfq*.go are the two queues, which send to sockets only through
// Kernel.unicast and Kernel.reply; link.go has the interfaces, proc.go the files.
package kerneltest
