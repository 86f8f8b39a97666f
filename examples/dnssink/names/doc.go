// Package names holds lists of domain names, for programs that filter by them.
// It reads the formats such lists are published in. What it does not understand
// it refuses, with file and line: no line is accepted and then blocks nothing.
//
// A line may be one of these, and a file may mix them:
//
//	ads.example                        that name alone
//	.ads.example                       ads.example and all names below it
//	*.ads.example                      the same
//	a.example, b.example c.example     several
//	https://ads.example/               a URL without a path: its host
//	ads.example:443                    the port does not matter
//	0.0.0.0 ads.example b.example      a hosts file; the address must be a sink
//	||ads.example^                     adblock: ads.example and all names below it
//	||ads.example^$important           the same, in spite of exceptions
//	|ads.example^                      adblock: that name alone
//	@@||good.ads.example^              adblock: an exception
//	address=/ads.example/0.0.0.0       dnsmasq; also server=/x/ and local=/x/
//	server=/good.ads.example/#         dnsmasq: an exception
//	local-zone: "ads.example" refuse   unbound; also local-data with a sink address
//	ads.example CNAME .                a response policy zone; also *.ads.example
//	good.example CNAME rpz-passthru.   a response policy zone: an exception
//
// A sink is the address that leads nowhere, 0.0.0.0 or ::, or one of this host,
// such as 127.0.0.1. In a response policy zone *.x stands for the names below x
// without x, and for all of them: that other names in the zone hide some from the
// wildcard, as in DNS (RFC 4592), makes no difference here. The names that a hosts file has for the host
// itself (localhost and its like) are left out.
//
// Comments begin with #, ;, ! or //, at the start of a line or after a space.
// Upper and lower case are the same, so are all ends of lines, and a dot at the
// end of a name says nothing. Names in other scripts become what DNS calls them:
// bücher.example is xn--bcher-kva.example. A name without a dot is refused,
// because it is nearly always something else: write "zip." for the name itself,
// or ".zip" for all below it.
//
// Adblock rules that depend on more than the name are refused: paths, wildcards,
// regular expressions, elements of a page, and options such as $third-party.
package names
