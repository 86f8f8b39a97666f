module github.com/ipqueue/ipqueue/examples/dump

go 1.25.0

require (
	github.com/gopacket/gopacket v1.7.7
	github.com/ipqueue/ipqueue v0.0.0
)

require (
	github.com/google/go-cmp v0.7.0 // indirect
	github.com/google/nftables v0.3.0 // indirect
	github.com/jsimonetti/rtnetlink/v2 v2.2.0 // indirect
	github.com/mdlayher/netlink v1.11.2 // indirect
	github.com/mdlayher/socket v0.6.0 // indirect
	golang.org/x/net v0.58.0 // indirect
	golang.org/x/sync v0.22.0 // indirect
	golang.org/x/sys v0.47.0 // indirect
)

replace github.com/ipqueue/ipqueue => ../..
