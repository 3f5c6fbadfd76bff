// Command coldstart measures the time of a program from exec to its first secret, as in a cold
// start of a Lambda function. It also measures the initialization of the program. From the
// root:
//
//	go -C bench run ./coldstart
//
// Each program reads one secret from a loopback server in this process. The programs run on one
// core: with the full core, and with the CPU share of a function of 128 MB, which is 1.4 ms in
// each 20 ms. The share needs root and a cgroup file system. The starts of the programs
// alternate, and each figure is the median of the starts.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func main() {
	starts := flag.Int("starts", 30, "starts of each program in each setting")
	only := flag.String("only", "", "run only the cases whose name contains this text")
	lines := flag.Bool("lines", false, "print each start in the Go benchmark format instead of a table")
	flag.Parse()
	if err := run(context.Background(), os.Stdout, *starts, *only, *lines); err != nil {
		fmt.Fprintln(os.Stderr, "coldstart:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, starts int, only string, lines bool) error {
	dir, err := os.MkdirTemp("", "hush-coldstart-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	selected := selectCases(only)
	files, err := buildAll(ctx, dir, selected)
	if err != nil {
		return err
	}
	server, err := startServer()
	if err != nil {
		return err
	}
	defer server.close()
	b := &bench{server: server, files: files, home: dir, groups: []*cpuGroup{nil}}
	group, err := newCPUGroup(quota, period)
	if err != nil {
		fmt.Fprintf(out, "the CPU share of 128 MB is not measured: %v\n\n", err)
	} else {
		defer group.remove()
		b.groups = append(b.groups, group)
	}
	results, err := b.measure(ctx, selected, starts)
	if err != nil {
		return err
	}
	facts, err := factsOf(ctx, b, selected)
	if err != nil {
		return err
	}
	if lines {
		printLines(out, selected, facts, results)
		return nil
	}
	printTable(out, selected, facts, results, group != nil)
	return nil
}

// quota and period are the CPU share of a Lambda function of 128 MB, a fourteenth of a core. With
// a longer period, the result would depend on the remaining quota.
const (
	quota  = 1400 * time.Microsecond
	period = 20 * time.Millisecond
)

// A bench starts programs.
type bench struct {
	server *server
	files  map[string]string // executable of each program
	home   string
	groups []*cpuGroup // nil means a full core
}

// A setting has the conditions of a measurement.
type setting struct {
	limited bool // the CPU share of 128 MB
	latency time.Duration
}

var latencies = []time.Duration{0, 30 * time.Millisecond}

// measure starts each case in each setting. The starts alternate, so that other load on the
// machine affects all cases.
func (b *bench) measure(ctx context.Context, cases []testCase, starts int) (map[string]map[setting][]sample, error) {
	results := map[string]map[setting][]sample{}
	for range starts {
		for _, group := range b.groups {
			for _, latency := range latencies {
				for _, c := range cases {
					s, err := b.start(ctx, c, group, latency)
					if err != nil {
						return nil, fmt.Errorf("%s: %w", c.name, err)
					}
					if results[c.name] == nil {
						results[c.name] = map[setting][]sample{}
					}
					key := setting{group != nil, latency}
					results[c.name][key] = append(results[c.name][key], s)
				}
			}
		}
	}
	return results, nil
}

// A testCase is a program and the source of its secret.
type testCase struct {
	name      string
	program   string
	providers string // HUSH_PROVIDERS
	direct    bool   // the port of the extension is closed
}

var cases = []testCase{
	{name: "recipe: net/http, json", program: "recipe"},
	{name: "extension", program: "extension"},
	{name: "config: lean, extension responds", program: "lean", providers: "extension env:"},
	{name: "the same, linked with both SDKs", program: "linked", providers: "extension env:"},
	{name: "config/all: extension responds", program: "all", providers: "extension direct env:"},
	{name: "chain: extension responds", program: "chain"},
	{name: "bare SDK", program: "sdk", direct: true},
	{name: "the same, linked with Vault's client", program: "sdkvault", direct: true},
	{name: "chain: direct responds", program: "chain", direct: true},
	{name: "config/all: direct responds", program: "all", providers: "extension direct env:", direct: true},
}

func selectCases(only string) []testCase {
	return slices.DeleteFunc(slices.Clone(cases), func(c testCase) bool { return !strings.Contains(c.name, only) })
}

// buildAll builds the programs of cases, stripped as for a release. It copies each executable,
// because the linker's file is in memory in small pieces: its start takes a fifth more CPU time
// than the start of a copy.
func buildAll(ctx context.Context, dir string, cases []testCase) (map[string]string, error) {
	files := map[string]string{}
	for _, c := range cases {
		if files[c.program] != "" {
			continue
		}
		file := filepath.Join(dir, c.program)
		linked := file + ".linked"
		if _, err := command(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", linked, programs+c.program); err != nil {
			return nil, err
		}
		executable, err := os.ReadFile(linked)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(file, executable, 0o755); err != nil { //nolint:gosec // an executable
			return nil, err
		}
		files[c.program] = file
	}
	return files, nil
}

const programs = "github.com/hush-secrets/hush/bench/coldstart/program/"
