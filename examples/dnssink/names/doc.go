// Package names reads lists of domain names, for programs that filter by name.
// It supports the formats in which such lists are published. It refuses a line
// that it cannot read, and reports file and line, so that no line silently
// blocks nothing.
//
// A line may have one of these forms, and a file may mix them:
//
//	ads.example                        that name only
//	.ads.example                       ads.example and all names below it
//	*.ads.example                      the same
//	a.example, b.example c.example     several
//	https://ads.example/               a URL without a path: its host
//	ads.example:443                    the port does not matter
//	0.0.0.0 ads.example b.example      a hosts file; the address must be a sink
//	||ads.example^                     adblock: ads.example and all names below it
//	||ads.example^$important           the same, even if there is an exception
//	|ads.example^                      adblock: that name only
//	@@||good.ads.example^              adblock: an exception
//	address=/ads.example/0.0.0.0       dnsmasq; also server=/x/ and local=/x/
//	server=/good.ads.example/#         dnsmasq: an exception
//	local-zone: "ads.example" refuse   unbound; also local-data with a sink address
//	ads.example CNAME .                a response policy zone; also *.ads.example
//	good.example CNAME rpz-passthru.   a response policy zone: an exception
//
// A sink address leads nowhere (0.0.0.0 or ::) or to this host (for example
// 127.0.0.1). In a response policy zone, *.x matches all names below x, but not
// x. Unlike in DNS (RFC 4592), other names in the zone do not hide some of them
// from the wildcard. Names of the host itself in a hosts file, such as
// localhost, are ignored.
//
// Comments begin with #, ;, ! or //, at the start of a line or after a space.
// Case, the kind of line end, and a dot at the end of a name do not matter.
// Names in other scripts are converted as for DNS: bücher.example is
// xn--bcher-kva.example. A name without a dot is refused, because it is nearly
// always something else: write "zip." for the name itself, or ".zip" for all
// names below it.
//
// Adblock rules that depend on more than the name are refused: paths, wildcards,
// regular expressions, elements of a page, and options such as $third-party.
package names
