package names

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// parseWord parses a name in a plain list.
func parseWord(word string) (entry, error) {
	e := entry{rule: block, scope: itself}
	name := word
	if rest, isURL := cutScheme(word); isURL {
		host, err := parseHost(word, rest)
		if err != nil {
			return e, err
		}
		name = host
	} else if rest, found := cutWildcard(word); found {
		e.scope, name = tree, rest
	}
	name = cutPort(name)
	domain, err := parseDomain(name)
	if err != nil {
		return e, err
	}
	if e.scope == itself && !strings.Contains(strings.TrimLeft(name, "."), ".") && domain == asciiLower(name) {
		return e, fmt.Errorf("%q has no dot: write %q for that name, %q for all below it", word, domain+".", "."+domain)
	}
	e.domain = domain
	return e, nil
}

// cutWildcard removes "." or "*." from the front.
func cutWildcard(word string) (string, bool) {
	word = strings.TrimPrefix(word, "*")
	return strings.CutPrefix(word, ".")
}

func cutScheme(word string) (rest string, found bool) {
	_, rest, found = strings.Cut(word, "://")
	return rest, found
}

// parseHost returns the host of a URL that contains nothing else.
func parseHost(text, rest string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return "", fmt.Errorf("%q is not a URL", text)
	}
	if strings.TrimSuffix(rest, "/") != u.Host {
		return "", fmt.Errorf("%q is only a part of a site: use the name %q to block the whole site", text, u.Host)
	}
	return u.Host, nil
}

// cutPort removes a port from the end.
func cutPort(name string) string {
	host, port, found := strings.Cut(name, ":")
	if !found {
		return name
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return name
	}
	return host
}

// profile converts names in other scripts to ASCII, as browsers do (UTS 46). It
// allows characters that DNS permits, but host names do not.
var profile = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(false))

// parseDomain returns the name in ASCII and lower case, without a dot at its end.
func parseDomain(name string) (string, error) {
	domain := name
	switch {
	case !utf8.ValidString(name):
		return "", fmt.Errorf("%q is not UTF-8", name)
	case !isASCII(name):
		ascii, err := profile.ToASCII(name)
		if err != nil {
			return "", fmt.Errorf("%q is not a valid internationalized name", name)
		}
		domain = ascii
	}
	domain = asciiLower(strings.TrimSuffix(domain, "."))
	if err := check(domain); err != nil {
		return "", fmt.Errorf("%q %w", name, err)
	}
	return domain, nil
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
}

func asciiLower(s string) string {
	return strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf {
			return rune(lower(byte(r)))
		}
		return r
	}, s)
}

// check checks that a name fits RFC 1035, section 2.3.4, and can be a host
// name.
func check(domain string) error {
	if _, err := netip.ParseAddr(domain); err == nil {
		return errors.New("is an address")
	}
	if len(domain) > maxWire-2 {
		return errors.New("is longer than 253 bytes")
	}
	last := ""
	for last = range strings.SplitSeq(domain, ".") {
		if len(last) == 0 || len(last) > maxLabel {
			return errors.New("is not a name: each part must have 1 to 63 bytes")
		}
	}
	for _, c := range domain {
		if c != '.' && !isNameByte(c) {
			return fmt.Errorf("is not a name: it contains %q", c)
		}
	}
	if strings.Trim(last, "0123456789") == "" {
		return errors.New("is not a name: it ends with a number")
	}
	return nil
}

func isNameByte(c rune) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

// isSink reports whether text is an address that leads nowhere, or to this
// host.
func isSink(text string) bool {
	a, err := netip.ParseAddr(text)
	return err == nil && (a.IsUnspecified() || a.IsLoopback())
}
