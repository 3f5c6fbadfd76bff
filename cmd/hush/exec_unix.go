//go:build unix

package main

import (
	"errors"
	"fmt"
	"syscall"
)

// become replaces this process. It returns only if that fails.
func become(p program) error {
	p.asFound()
	err := syscall.Exec(p.path, p.args, p.environ) //nolint:gosec // what the user names is run: that is what exec is for
	switch {
	case errors.Is(err, syscall.E2BIG):
		err = tooLong(p)
	case errors.Is(err, syscall.ENOEXEC):
		err = errors.New("it is no program of this system, and has no #! line")
	case errors.Is(err, syscall.ENOENT):
		err = errors.New("it is gone, or the interpreter in its #! line is not there")
	}
	return errors.Join(codeError{fmt.Errorf("%q cannot be run: %w", p.args[0], err), exitNotExecutable}, p.done())
}

// tooLong says what of a program the system does not take, without any value.
func tooLong(p program) error {
	total, longest := 0, ""
	for _, arg := range p.args {
		total += len(arg) + 1
	}
	for _, entry := range p.environ {
		total += len(entry) + 1
		if len(entry) > len(longest) {
			longest = entry
		}
	}
	return fmt.Errorf("its arguments and variables are too long for this system: %d bytes together, and the longest variable, %s, has %d",
		total, nameOf(longest), len(longest))
}
