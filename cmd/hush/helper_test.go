package main_test

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
)

// helperVariable makes the test binary a helper that hush runs as a command.
const helperVariable = "TEST_HELPER"

// An observation describes how a command was started.
type observation struct {
	Args, Env []string
	Dir       string
	Stdin     string
	Files     []int
	Ignored   []string // signals
}

// help runs a helper and returns its exit status.
func help(what string, args []string) int {
	switch what {
	case "look":
		return look(args)
	case "attack":
		return runAttack(args)
	case "exit":
		code, _ := strconv.Atoi(args[0])
		return code
	case "signals":
		return waitForSignals()
	case "sleep":
		_, _ = io.Copy(io.Discard, os.Stdin) // until the test ends
		return 0
	}
	_, _ = fmt.Fprintf(os.Stderr, "unknown helper %q", what)
	return 99
}

// look prints an observation.
func look(args []string) int {
	s := observation{Args: args, Files: openFiles(), Ignored: ignoredSignals()}
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, helperVariable+"=") {
			s.Env = append(s.Env, entry)
		}
	}
	slices.Sort(s.Env)
	s.Dir, _ = os.Getwd()
	input, err := io.ReadAll(os.Stdin)
	s.Stdin = fmt.Sprintf("%q %v", input, err)
	if err := json.NewEncoder(os.Stdout).Encode(s); err != nil {
		return 98
	}
	return 0
}

// value returns the value of a variable, if it is set.
func (s observation) value(name string) (string, bool) {
	for _, entry := range s.Env {
		if n, value, _ := strings.Cut(entry, "="); n == name {
			return value, true
		}
	}
	return "", false
}
