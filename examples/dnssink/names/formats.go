package names

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

func parseAddr(text string) bool {
	_, err := netip.ParseAddr(text)
	return err == nil
}

// ownNames are the names of the host itself in hosts files.
var ownNames = []string{
	"localhost", "localhost.localdomain", "localhost4", "localhost4.localdomain4", "localhost6", "localhost6.localdomain6",
	"local", "broadcasthost", "ip6-localhost", "ip6-loopback", "ip6-localnet", "ip6-mcastprefix",
	"ip6-allnodes", "ip6-allrouters", "ip6-allhosts",
}

// parseHosts reads a line of a hosts file: an address and names.
func parseHosts(words []string) ([]entry, error) {
	address, list := words[0], words[1:]
	if len(list) == 0 {
		return nil, fmt.Errorf("no name follows the address %q", address)
	}
	var entries []entry
	for _, word := range list {
		if word == address || slices.Contains(ownNames, asciiLower(word)) {
			continue
		}
		if !isSink(address) {
			return nil, fmt.Errorf("%s has the address %s: lines that block start with 0.0.0.0, 127.0.0.1, :: or ::1", word, address)
		}
		e, err := parseWord(word)
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// isAdblock reports whether a line is a rule of an adblock list.
func isAdblock(text string) bool {
	return text[0] == '|' || text[0] == '/' || strings.HasPrefix(text, "@@")
}

// parseAdblock parses a rule of an adblock list. The rule must only match a
// name.
func parseAdblock(text string) ([]entry, error) {
	e := entry{rule: block, scope: tree}
	pattern, options, _ := strings.Cut(text, "$")
	pattern, isException := strings.CutPrefix(pattern, "@@")
	if isException {
		e.rule = except
	}
	if err := e.applyOptions(options); err != nil {
		return nil, err
	}
	name, found := strings.CutPrefix(pattern, "||")
	if !found {
		e.scope = itself
		name, found = strings.CutPrefix(pattern, "|")
	}
	name, ends := strings.CutSuffix(strings.TrimSuffix(name, "|"), "^")
	if !found || !ends {
		return nil, fmt.Errorf("%q matches more than a name: want a rule such as ||ads.example^", text)
	}
	domain, err := parseDomain(name)
	if err != nil {
		return nil, err
	}
	e.domain = domain
	return []entry{e}, nil
}

// applyOptions refuses options that depend on more than the name.
func (e *entry) applyOptions(options string) error {
	if options == "" {
		return nil
	}
	for option := range strings.SplitSeq(options, ",") {
		switch {
		case option == "all":
		case option == "important" && e.rule == except:
			e.rule = allow
		case option == "important":
			e.rule = important
		default:
			return fmt.Errorf("the option $%s depends on more than the name", option)
		}
	}
	return nil
}

// parseDnsmasq reads a line of dnsmasq's configuration.
func parseDnsmasq(key, value string) ([]entry, error) {
	parts := strings.Split(value, "/")
	isServer := key == "server" || key == "local"
	if !isServer && key != "address" || len(parts) < 3 || parts[0] != "" {
		return nil, fmt.Errorf("%q blocks no name: want address=/NAME/ or server=/NAME/", key+"="+value)
	}
	e := entry{rule: block, scope: tree}
	target := parts[len(parts)-1]
	switch {
	case target == "":
	case isServer && target == "#":
		e.rule = pass
	case isServer:
		return nil, fmt.Errorf("%s=/.../%s blocks nothing: it selects another server", key, target)
	case target != "#" && !isSink(target):
		return nil, fmt.Errorf("address=/.../%s blocks nothing: it sets that address", target)
	}
	var entries []entry
	for _, name := range parts[1 : len(parts)-1] {
		if rest, found := cutWildcard(name); found {
			name = rest
		}
		domain, err := parseDomain(name)
		if err != nil {
			return nil, err
		}
		e.domain = domain
		entries = append(entries, e)
	}
	return entries, nil
}

// zoneRules maps unbound's types of local zones to rules.
var zoneRules = map[string]rule{
	"deny": block, "refuse": block, "static": block, "redirect": block,
	"inform_deny": block, "inform_redirect": block,
	"always_refuse": block, "always_nxdomain": block, "always_nodata": block, "always_deny": block, "always_null": block,
	"transparent": pass, "typetransparent": pass, "always_transparent": pass, "nodefault": pass,
}

// parseUnbound reads a line of unbound's configuration.
func parseUnbound(key, value string) ([]entry, error) {
	value = strings.TrimSpace(value)
	switch key {
	case "server":
		if value == "" {
			return nil, nil
		}
	case "local-zone":
		return parseLocalZone(value)
	case "local-data":
		words := strings.Fields(strings.Trim(value, `"'`))
		if _, found := findType(words); found && words[0] != "@" {
			entries, err := new(zone).parseRecord(words)
			for i := range entries {
				entries[i].rule = data // a transparent zone answers with it as well
			}
			return entries, err
		}
	}
	return nil, fmt.Errorf("%q blocks no name: want local-zone or local-data", strings.TrimSpace(key+": "+value))
}

func parseLocalZone(value string) ([]entry, error) {
	words := strings.Fields(value)
	if len(words) != 2 {
		return nil, errors.New("local-zone: want a name and a type")
	}
	e := entry{scope: tree}
	var known bool
	if e.rule, known = zoneRules[strings.Trim(words[1], `"'`)]; !known {
		return nil, fmt.Errorf("local-zone: the type %s does not block", words[1])
	}
	domain, err := parseDomain(strings.Trim(words[0], `"'`))
	if err != nil {
		return nil, err
	}
	e.domain = domain
	return []entry{e}, nil
}
