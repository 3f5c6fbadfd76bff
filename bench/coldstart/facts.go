package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// facts are the costs of a program before main and on disk.
type facts struct {
	size     int64
	packages int
	init     time.Duration // median of initRuns
	allocs   int           // in init
	bytes    int           // in init
}

// factsOf returns the facts of each program.
func factsOf(ctx context.Context, b *bench, cases []testCase) (map[string]facts, error) {
	all := map[string]facts{}
	for _, c := range cases {
		if _, ok := all[c.program]; ok {
			continue
		}
		info, err := os.Stat(b.files[c.program])
		if err != nil {
			return nil, err
		}
		list, err := command(ctx, "go", "list", "-deps", programs+c.program)
		if err != nil {
			return nil, err
		}
		f := facts{size: info.Size(), packages: len(strings.Fields(list))}
		if err := f.traceInit(ctx, b, c); err != nil {
			return nil, err
		}
		all[c.program] = f
	}
	return all, nil
}

// initRuns is the number of traced starts of a program.
const initRuns = 9

// initLine is the line of a package in the output of GODEBUG=inittrace=1.
var initLine = regexp.MustCompile(`init \S+ @\S+ ms, (\S+) ms clock, (\d+) bytes, (\d+) allocs`)

func (f *facts) traceInit(ctx context.Context, b *bench, c testCase) error {
	b.server.latency.Store(0)
	var times []time.Duration
	for range initRuns {
		cmd := exec.CommandContext(ctx, b.files[c.program])
		cmd.Env = b.environment(c, "GODEBUG=inittrace=1")
		var trace strings.Builder
		cmd.Stderr = &trace
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		var total float64
		f.bytes, f.allocs = 0, 0
		for _, line := range initLine.FindAllStringSubmatch(trace.String(), -1) {
			total += number(line[1])
			f.bytes += int(number(line[2]))
			f.allocs += int(number(line[3]))
		}
		times = append(times, time.Duration(total*float64(time.Millisecond)))
	}
	f.init = median(times)
	return nil
}

func number(text string) float64 {
	n, _ := strconv.ParseFloat(text, 64) // initLine matches only numbers
	return n
}
