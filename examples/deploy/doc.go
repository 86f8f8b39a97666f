// Package deploy has what it takes to run examples/firewall on many hosts: a
// container of two static programs, and a manifest for Kubernetes. README.md
// says how.
package deploy
