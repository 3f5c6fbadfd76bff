//go:build !unix

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
)

// become runs the program and ends with its status, which is the nearest to
// replacing itself that this system has. An interrupt goes to every process of the
// console, and the program decides what it means.
func become(p program) error {
	p.asFound()
	signal.Ignore(os.Interrupt)
	cmd := &exec.Cmd{Path: p.path, Args: p.args, Env: p.environ, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
	err := cmd.Run()
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		return errors.Join(codeError{fmt.Errorf("%q cannot be run: %w", p.args[0], err), exitNotExecutable}, p.done())
	}
	_ = p.done() // the status that counts is the program's
	if code := cmd.ProcessState.ExitCode(); code != 0 {
		return codeError{errQuiet, code}
	}
	return nil
}
