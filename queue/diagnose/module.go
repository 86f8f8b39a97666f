package diagnose

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// A loading describes what happens if the kernel requests a module.
type loading struct {
	// listed reports whether the lists of the kernel's modules contain the
	// module, built in or loadable.
	listed bool
	// err is the error of reading the lists.
	err error
	// obstacle is the reason why the kernel cannot load the module, and advice
	// is how to remove it. Both are empty if there is no obstacle.
	obstacle, advice string
}

// loading determines what happens if the kernel requests a module by an alias.
// The kernel starts modprobe, which reads its own lists and configuration.
func (x *examination) loading(module, alias string) (m loading) {
	dir := "/lib/modules/" + x.osrelease + "/"
	builtin, err := x.host.ReadFile(dir + "modules.builtin")
	if slices.Contains(modules(builtin), module) {
		return loading{listed: true}
	}
	loadable, lerr := x.host.ReadFile(dir + "modules.dep")
	if m.err = cmp.Or(err, lerr); m.err != nil {
		m.obstacle, m.advice = x.switchedOff(module)
		return m
	}
	files, needed := dependencies(loadable, module)
	m.listed = files != nil
	if !m.listed {
		return m
	}
	if m.obstacle, m.advice = x.switchedOff(module); m.obstacle != "" {
		return m
	}
	for _, file := range files {
		if _, err := x.host.ReadFile(path.Join(dir, file)); errors.Is(err, fs.ErrNotExist) {
			m.obstacle = fmt.Sprintf("its file %s is missing", path.Join(dir, file))
			m.advice = "reinstall the modules of this kernel, or reboot into the installed kernel"
			return m
		}
	}
	m.obstacle, m.advice = x.forbidden(needed, alias)
	return m
}

// switchedOff returns the setting that prevents the kernel from loading any
// module on demand, and how to proceed.
func (x *examination) switchedOff(module string) (obstacle, advice string) {
	if text, err := x.host.ReadFile("/proc/sys/kernel/modules_disabled"); err == nil && string(bytes.TrimSpace(text)) == "1" {
		return "kernel.modules_disabled is 1", "reboot, and load the module before it is set (/etc/modules-load.d)"
	}
	if text, err := x.host.ReadFile("/proc/sys/kernel/modprobe"); err == nil && len(bytes.TrimSpace(text)) == 0 {
		return "kernel.modprobe is empty", "modprobe " + module
	}
	return "", ""
}

// modules returns the names in a list of module files.
func modules(list []byte) (names []string) {
	for line := range strings.Lines(string(list)) {
		file, _, _ := strings.Cut(strings.TrimSpace(line), ":")
		names = append(names, moduleName(file))
	}
	return names
}

// moduleName returns the name of the module in a file such as
// kernel/net/netfilter/nfnetlink-queue.ko.xz.
func moduleName(file string) string {
	name, _, _ := strings.Cut(path.Base(file), ".ko")
	return underscored(name)
}

// underscored returns a module's name in the kernel's spelling.
func underscored(name string) string { return strings.ReplaceAll(name, "-", "_") }

// dependencies reads the line of a module in modules.dep. It returns the files
// and the names of the module and of all modules that it needs, its own first.
// files is nil if there is no such line.
func dependencies(list []byte, module string) (files, names []string) {
	for line := range strings.Lines(string(list)) {
		file, needed, _ := strings.Cut(strings.TrimSpace(line), ":")
		if moduleName(file) != module {
			continue
		}
		files = append([]string{file}, strings.Fields(needed)...)
		for _, f := range files {
			names = append(names, moduleName(f))
		}
	}
	return files, names
}

// forbidden searches the configuration of modprobe and the kernel's command line
// for a line that prevents one of the modules from being loaded by the alias of the
// first. It ignores modules that are already loaded.
func (x *examination) forbidden(names []string, alias string) (obstacle, advice string) {
	loaded := x.loadedModules()
	names = slices.DeleteFunc(slices.Clone(names), func(n string) bool { return loaded[n] })
	if len(names) == 0 {
		return "", ""
	}
	for _, word := range x.commandLine("module_blacklist=") {
		if slices.Contains(names, underscored(word)) {
			return fmt.Sprintf("the kernel's command line forbids it (module_blacklist=%s)", word), "remove that, and reboot"
		}
	}
	byHand := "modprobe " + names[0]
	for _, word := range x.commandLine("modprobe.blacklist=") {
		if underscored(word) == names[0] {
			return fmt.Sprintf("the kernel's command line forbids it (modprobe.blacklist=%s)", word), byHand
		}
	}
	for _, rule := range x.modprobeRules() {
		subject := underscored(rule.words[1])
		own := subject == names[0] || subject == underscored(alias)
		switch rule.words[0] {
		case "install":
			command := strings.Join(rule.words[2:], " ")
			if (own || slices.Contains(names, subject)) && !strings.Contains(command, "modprobe") && !strings.Contains(command, "insmod") {
				return fmt.Sprintf("%s contains %q", rule.file, strings.Join(rule.words, " ")), "remove that line"
			}
		case "blacklist":
			if own {
				return fmt.Sprintf("%s contains %q", rule.file, strings.Join(rule.words, " ")), byHand
			}
		}
	}
	return "", ""
}

// loadedModules returns the names of the modules that are loaded.
func (x *examination) loadedModules() map[string]bool {
	text, _ := x.host.ReadFile("/proc/modules")
	loaded := make(map[string]bool)
	for line := range strings.Lines(string(text)) {
		name, _, _ := strings.Cut(line, " ")
		loaded[name] = true
	}
	return loaded
}

// commandLine returns the words, separated by commas, that follow an option on
// the kernel's command line.
func (x *examination) commandLine(option string) (words []string) {
	text, _ := x.host.ReadFile("/proc/cmdline")
	for _, word := range strings.Fields(string(text)) {
		if list, ok := strings.CutPrefix(word, option); ok {
			words = append(words, strings.Split(list, ",")...)
		}
	}
	return words
}

// A modprobeRule is a line of modprobe's configuration with at least two words.
type modprobeRule struct {
	file  string
	words []string
}

// modprobeRules reads the configuration of modprobe. A file hides those of the
// same name in later directories (modprobe.d(5)).
func (x *examination) modprobeRules() (rules []modprobeRule) {
	hidden := make(map[string]bool)
	for _, dir := range []string{"/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib"} {
		for _, file := range x.host.Glob(dir + "/modprobe.d/*.conf") {
			base := path.Base(file)
			if hidden[base] {
				continue
			}
			hidden[base] = true
			text, _ := x.host.ReadFile(file)
			for line := range strings.Lines(strings.ReplaceAll(string(text), "\\\n", " ")) {
				if words := strings.Fields(line); len(words) >= 2 {
					rules = append(rules, modprobeRule{file, words})
				}
			}
		}
	}
	return rules
}
