package main

import (
	"fmt"
	"slices"
	"strings"
)

// A section is a part of the report that is measured by itself: either benchmarks
// of one package, in rounds, or a command.
type section struct {
	name string

	dir, pkg  string // the package with the benchmarks, and its module
	bench     string // a regular expression
	benchtime string // of each benchmark in each round
	rounds    int

	command      []string                                          // run from the root; its output is the result
	env          []string                                          // for the command
	measurements func(output string) map[string]map[string]float64 // benchmark → unit → value

	named bool // measured only if the command line names it
}

var sections = []section{
	{name: "hits", pkg: ".", bench: "^BenchmarkHit$", benchtime: "100ms", rounds: 15},
	{name: "growth", pkg: ".", bench: "^Benchmark(Entries|Miss|Links)$", benchtime: "200ms", rounds: 5},
	{name: "path", pkg: ".", bench: "^BenchmarkPath$", benchtime: "300ms", rounds: 5},
	{name: "chain", dir: root, pkg: "./chain", bench: "^BenchmarkHealthy$", benchtime: "100ms", rounds: 15},
	{name: "extension", dir: root, pkg: "./extension", bench: "^BenchmarkGet$", benchtime: "500ms", rounds: 7},
	{name: "direct", dir: root, pkg: "./direct", bench: "^BenchmarkGet$", benchtime: "300ms", rounds: 5},
	{name: "vault", dir: root, pkg: "./vault", bench: "^BenchmarkGet$", benchtime: "300ms", rounds: 7},
	{name: "load", pkg: ".", bench: "^Benchmark(Load|GetAll|LogLine)$", benchtime: "200ms", rounds: 5},
	{name: "agent", pkg: ".", bench: "^BenchmarkAgent$", benchtime: "500ms", rounds: 7},
	{name: "start", pkg: ".", bench: "^BenchmarkStart$", benchtime: "20x", rounds: 7},

	{name: "init", pkg: ".", bench: "^BenchmarkInit$", benchtime: "10x", rounds: 7},
	{name: "coldstart", command: []string{"go", "run", "-C", "bench", "./coldstart", "-lines"}},
	{name: "size", command: []string{"go", "-C", "bench", "run", "./size"}, measurements: sizes},
	{name: "fleet", command: []string{"go", "test", "-C", "bench", "-count=1", "-run=TestFleet", "-v", "./fleet"}},
	{name: "dead-end", command: []string{"go", "test", "-count=1", "-v", "-run=Refused|Never", "./direct/awsdirect"}},
	{name: "demo", command: []string{"go", "run", "./cmd/hush", "demo"}},
	{
		name:    "stress",
		command: []string{"go", "test", "-race", "-count=1", "-timeout=5m", "-run=TestStress", "-v", "./internal/test/stress"},
		env:     []string{"HUSH_STRESS=30s"},
	},
	{
		name: "soak", named: true,
		command: []string{"go", "test", "-count=1", "-timeout=15m", "-run=TestSoak", "-v", "./internal/test/stress"},
		env:     []string{"HUSH_SOAK=10m"},
	},
}

// choose returns the sections with these names; without names, all but those that
// must be named. A quick run has no commands.
func choose(names []string, quick bool) (chosen []section, err error) {
	for _, name := range names {
		i := slices.IndexFunc(sections, func(s section) bool { return s.name == name })
		if i < 0 {
			return nil, fmt.Errorf("unknown section %q; the sections are %s", name, strings.Join(sectionNames(), ", "))
		}
		chosen = append(chosen, sections[i])
	}
	if len(names) > 0 {
		return chosen, nil
	}
	for _, s := range sections {
		if !s.named && (!quick || s.command == nil) {
			chosen = append(chosen, s)
		}
	}
	return chosen, nil
}

func sectionNames() (names []string) {
	for _, s := range sections {
		names = append(names, s.name)
	}
	return names
}
