// Package netns runs a program in a private network: namespaces that it may
// configure without being root, links, addresses, and firewall rules that send
// packets to queues. Tests and examples use it to run against the real kernel. None
// of their packets leave the machine.
//
// A program first calls Enter, which executes it again in a new user and network
// namespace. There it has every capability for its own network, and none for that of
// the machine. The zero Namespace is this network. New creates more namespaces;
// veth pairs connect them.
//
// Off Linux every function returns an error that matches errors.ErrUnsupported.
package netns
