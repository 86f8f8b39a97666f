package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/ipqueue/ipqueue/bench/internal/sys"
)

// patience is how long a process may take to answer.
const patience = 10 * time.Second

// A process is a consumer or a generator. It prints lines of JSON: one when it is
// ready, one for each line that it reads (the consumers in C read none), and one at
// its end. SIGTERM ends it.
type process struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	pipe   *os.File
	out    *bufio.Reader
	stderr bytes.Buffer
}

// startProcess starts the command on the given processors and decodes its first
// line into ready.
func startProcess(cpus []int, cmd *exec.Cmd, ready any) (*process, error) {
	p := &process{cmd: cmd}
	if err := p.start(cpus); err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	if err := p.read(ready); err != nil {
		return nil, p.fail(err)
	}
	return p, nil
}

func (p *process) start(cpus []int) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer w.Close()
	p.pipe, p.out = r, bufio.NewReader(r)
	p.cmd.Stdout, p.cmd.Stderr = w, &p.stderr
	if p.in, err = p.cmd.StdinPipe(); err == nil {
		err = sys.StartOn(cpus, p.cmd)
	}
	if err != nil {
		r.Close()
	}
	return err
}

// read reads a line and decodes it into v.
func (p *process) read(v any) error {
	if err := p.pipe.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		return err
	}
	return json.Unmarshal(line, v)
}

// ask requests the current state of the process and decodes it into v.
func (p *process) ask(v any) error {
	_, err := io.WriteString(p.in, "\n")
	if err == nil {
		err = p.read(v)
	}
	if err != nil {
		return p.fail(err)
	}
	return nil
}

// stop ends the process and decodes its last line into v.
func (p *process) stop(v any) error {
	err := p.cmd.Process.Signal(syscall.SIGTERM)
	if err == nil {
		err = p.read(v)
	}
	if err != nil {
		return p.fail(err)
	}
	p.pipe.Close()
	if err := p.cmd.Wait(); err != nil {
		return p.explain(err)
	}
	return nil
}

// kill ends the process if it has not ended yet.
func (p *process) kill() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
		p.pipe.Close()
	}
}

// fail kills the process and returns err with the explanation of explain.
func (p *process) fail(err error) error {
	p.kill()
	return p.explain(err)
}

// explain adds the command and its output on standard error to err.
func (p *process) explain(err error) error {
	name := strings.Join(p.cmd.Args, " ")
	if said := strings.TrimSpace(p.stderr.String()); said != "" {
		return fmt.Errorf("%s: %w: %s", name, err, said)
	}
	return fmt.Errorf("%s: %w", name, err)
}
