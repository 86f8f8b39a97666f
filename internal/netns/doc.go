// Package netns puts a program into a network of its own: namespaces it may
// rule without being root, links, addresses, and firewall rules that feed the
// queues. Tests and the examples run in it against the real kernel, and none
// of their packets leave the machine.
//
// A program starts with Enter, which executes it again in a new user and
// network namespace. There it has every capability over its network and none
// over the machine's. The zero Namespace is that network; New makes further
// ones, to be joined by veth pairs.
//
// Off Linux every function returns an error that matches errors.ErrUnsupported.
package netns
