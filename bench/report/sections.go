package main

import (
	"fmt"
	"slices"
	"strings"
)

// A section is a part of the report: either benchmarks of a package in rounds, or a command.
type section struct {
	name string

	dir, pkg  string // the module, and the package of the benchmarks
	bench     string // a regular expression
	benchtime string // of each benchmark in each round
	rounds    int

	command      []string                                          // runs in the root; its output is the result
	env          []string                                          // for the command
	measurements func(output string) map[string]map[string]float64 // benchmark → unit → value

	explicit bool // measured only if the command line names it
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
		name: "soak", explicit: true,
		command: []string{"go", "test", "-count=1", "-timeout=15m", "-run=TestSoak", "-v", "./internal/test/stress"},
		env:     []string{"HUSH_SOAK=10m"},
	},
}

// selectSections returns the sections with the given names. No names mean all sections that
// are not explicit. A quick run has no commands.
func selectSections(names []string, quick bool) (selected []section, err error) {
	for _, name := range names {
		i := slices.IndexFunc(sections, func(s section) bool { return s.name == name })
		if i < 0 {
			return nil, fmt.Errorf("unknown section %q; the sections are %s", name, strings.Join(sectionNames(), ", "))
		}
		selected = append(selected, sections[i])
	}
	if len(names) > 0 {
		return selected, nil
	}
	for _, s := range sections {
		if !s.explicit && (!quick || s.command == nil) {
			selected = append(selected, s)
		}
	}
	return selected, nil
}

func sectionNames() (names []string) {
	for _, s := range sections {
		names = append(names, s.name)
	}
	return names
}
