//go:build unix

package main

import (
	"errors"
	"fmt"
	"syscall"
)

// protectMemory prevents core dumps, which would contain secrets. restore undoes this
// for the program that replaces this process.
func protectMemory() (restore func()) {
	denyMemoryAccess()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_CORE, &limit); err != nil {
		return func() {}
	}
	// The hard limit stays, because only root could raise it again.
	_ = syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{Cur: 0, Max: limit.Max}) // lowering always succeeds
	return func() { _ = syscall.Setrlimit(syscall.RLIMIT_CORE, &limit) }
}

// runProgram replaces this process with p. It returns only if that fails.
func runProgram(p program) error {
	p.restore()
	err := syscall.Exec(p.path, p.args, p.environ) //nolint:gosec // the user names the program
	switch {
	case errors.Is(err, syscall.E2BIG):
		err = tooLong(p)
	case errors.Is(err, syscall.ENOEXEC):
		err = errors.New("the file is not a program for this system and has no #! line")
	case errors.Is(err, syscall.ENOENT):
		err = errors.New("the file, or the interpreter in its #! line, does not exist")
	}
	return errors.Join(exitError{fmt.Errorf("cannot run %q: %w", p.args[0], err), exitNotExecutable}, p.close())
}

// tooLong describes the size of the arguments and the environment, without any value.
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
	return fmt.Errorf("arguments and variables exceed the limit of this system: they have %d bytes; the longest variable, %s, has %d",
		total, entryName(longest), len(longest))
}
