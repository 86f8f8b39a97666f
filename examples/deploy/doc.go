// Package deploy contains the files for running examples/firewall on many hosts: a
// container with two static programs, and a manifest for Kubernetes. README.md
// describes their use.
package deploy
