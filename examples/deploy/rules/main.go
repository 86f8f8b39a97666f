//go:build linux

// Rules installs the netfilter rules that feed examples/firewall, with nothing
// but CAP_NET_ADMIN and no other program, as a container without a shell needs.
//
//	rules -hook forward -bypass        # install, or replace what is installed
//	rules -remove
//
// The rules are those in the package comment of the firewall, in a separate
// table of family inet, for both IP versions. With -bypass, packets pass while
// no firewall runs; without it, they are dropped.
//
// The program replaces the rules in one transaction. The kernel then drops the
// packets that wait for a verdict.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/google/nftables"

	"github.com/ipqueue/ipqueue/examples/internal/cli"
	"github.com/ipqueue/ipqueue/examples/internal/numbers"
)

var program = cli.Program{Name: "rules", About: "Rules installs the nftables rules that send packets to the firewall."}

func main() {
	o, err := parse(os.Args[1:], os.Stdout)
	if err == nil {
		err = o.run()
	}
	program.Exit(err)
}

// options are the values of the command line.
type options struct {
	queue  uint16
	hooks  []string
	bypass bool
	remove bool
}

// hooks are the hooks at which rules can be installed.
var hooks = map[string]*nftables.ChainHook{
	"input": nftables.ChainHookInput, "forward": nftables.ChainHookForward, "output": nftables.ChainHookOutput,
}

func parse(args []string, help io.Writer) (o options, err error) {
	flags := program.Flags()
	flags.Func("queue", "send packets to queue `N` (default 0)", numbers.Decimal(&o.queue))
	flags.Func("hook", "queue packets at the hooks in `LIST`: input, forward, output, separated by commas (default forward)", func(s string) error {
		o.hooks = strings.Split(s, ",")
		for _, name := range o.hooks {
			if hooks[name] == nil {
				return fmt.Errorf("want input, forward or output, not %q", name)
			}
		}
		return nil
	})
	flags.BoolVar(&o.bypass, "bypass", false, "let packets pass while no firewall runs")
	flags.BoolVar(&o.remove, "remove", false, "remove the rules")
	err = program.Parse(flags, args, help)
	if len(o.hooks) == 0 {
		o.hooks = []string{"forward"}
	}
	return o, err
}

func (o options) run() error {
	if o.remove {
		return remove()
	}
	var err error
	for _, form := range o.forms() {
		// The kernel answers ENOENT to an expression that it lacks.
		if err = o.install(form); !errors.Is(err, syscall.ENOENT) {
			break
		}
	}
	if err == nil {
		fmt.Printf("rules: queue %d at %s\n", o.queue, strings.Join(o.hooks, ", "))
	}
	return err
}
