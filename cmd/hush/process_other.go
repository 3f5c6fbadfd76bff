//go:build !unix

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
)

// protectMemory does nothing, because there are no core dumps.
func protectMemory() (restore func()) { return func() {} }

// runProgram runs p as a child process and returns its exit status, because this system
// cannot replace a process. An interrupt goes to all processes of the console, so that
// p decides what to do.
func runProgram(p program) error {
	p.restore()
	signal.Ignore(os.Interrupt)
	cmd := &exec.Cmd{Path: p.path, Args: p.args, Env: p.environ, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
	err := cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		return errors.Join(exitError{fmt.Errorf("cannot run %q: %w", p.args[0], err), exitNotExecutable}, p.close())
	}
	_ = p.close() // the exit status of p is what counts
	if code := cmd.ProcessState.ExitCode(); code != 0 {
		return exitError{errReported, code}
	}
	return nil
}
