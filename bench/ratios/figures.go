package main

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
)

// A figure compares one benchmark with another.
type figure struct {
	name, beside string
	ours, floor  string  // benchmarks, by their full names
	turns        string  // the one that runs both in turns, and whose ratio is the value; may be empty
	added        bool    // the value is the difference in ns, else the ratio
	most         float64 // the limit of the value; 0: none, it is for information
	allocs       int     // the limit of ours in allocations, beyond those of floor if added; -1: none
}

var suites = []suite{
	{dir: ".", pkg: ".", bench: "^BenchmarkHit"},
	{dir: "..", pkg: "./extension", bench: "."},
	{dir: "..", pkg: "./chain", bench: "^BenchmarkHealthy$"},
	{dir: "..", pkg: "./vault", bench: "^BenchmarkGet$"},
}

var figures = []figure{
	{name: "cache hit", beside: "otter", ours: "BenchmarkHit/hush", floor: "BenchmarkHit/otter", most: 0.8},
	{name: "cache hit", beside: "sync.Map", ours: "BenchmarkHit/hush", floor: "BenchmarkHit/syncmap", allocs: -1},
	{name: "cache hit", beside: "sync.Map, time.Now", ours: "BenchmarkHit/hush", floor: "BenchmarkHit/syncmap+clock", allocs: -1},
	{name: "cache hit, parallel", beside: "otter", ours: "BenchmarkHitParallel/hush", floor: "BenchmarkHitParallel/otter", allocs: -1},
	{name: "cache hit, parallel", beside: "sync.Map, time.Now", ours: "BenchmarkHitParallel/hush", floor: "BenchmarkHitParallel/syncmap+clock", allocs: -1},
	{name: "extension", beside: "bare net/http", ours: "BenchmarkGet/extension", floor: "BenchmarkGet/bare", turns: "BenchmarkGet/ratio", most: 1.15, allocs: -1},
	{name: "vault, KV 1", beside: "its client", ours: "BenchmarkGet/KV_v1/hush", floor: "BenchmarkGet/KV_v1/bare", turns: "BenchmarkGet/KV_v1/in_turns", most: 1.05, allocs: -1},
	{name: "vault, KV 2", beside: "its client", ours: "BenchmarkGet/KV_v2/hush", floor: "BenchmarkGet/KV_v2/bare", turns: "BenchmarkGet/KV_v2/in_turns", most: 1.05, allocs: -1},
	{name: "chain of one", beside: "its link", ours: "BenchmarkHealthy/links=1", floor: "BenchmarkHealthy/direct", added: true, most: 150},
	{name: "chain of three", beside: "its first link", ours: "BenchmarkHealthy/links=3", floor: "BenchmarkHealthy/direct", added: true, most: 150},
	{name: "chain, zap at Info", beside: "its first link", ours: "BenchmarkHealthy/links=3/log=info", floor: "BenchmarkHealthy/direct", added: true, allocs: -1},
	{name: "chain, zap at Debug", beside: "its first link", ours: "BenchmarkHealthy/links=3/log=debug", floor: "BenchmarkHealthy/direct", added: true, allocs: -1},
}

// A sample is what one run of a benchmark said.
type sample struct {
	ns     float64
	allocs int
	ratio  float64 // of two that ran in turns; 0: there was one
}

func (s sample) time() string {
	if s.ns < 1000 {
		return fmt.Sprintf("%.1f ns", s.ns)
	}
	return fmt.Sprintf("%.1f µs", s.ns/1000)
}

// results are the samples of each benchmark, in order.
type results map[string][]sample

var line = regexp.MustCompile(`(?m)^(Benchmark\S+?)(?:-\d+)?\s+\d+\s+([\d.]+) ns/op.*?(\d+) allocs/op$`)

// inTurns is the metric of a benchmark that runs two things in turns.
var inTurns = regexp.MustCompile(`([\d.]+) ours/bare`)

func (r results) add(text string) {
	for _, m := range line.FindAllStringSubmatch(text, -1) {
		ns, nsErr := strconv.ParseFloat(m[2], 64)
		allocs, allocsErr := strconv.Atoi(m[3])
		if nsErr != nil || allocsErr != nil {
			continue
		}
		s := sample{ns: ns, allocs: allocs}
		if ratio := inTurns.FindStringSubmatch(m[0]); ratio != nil {
			s.ratio, _ = strconv.ParseFloat(ratio[1], 64)
		}
		r[m[1]] = append(r[m[1]], s)
	}
}

// A comparison is a figure with its numbers: medians over the rounds.
type comparison struct {
	ours, floor sample
	value       float64
	met         bool
}

var errNoSample = errors.New("the benchmark gave no result in some round")

// compare takes the two benchmarks round by round: what slows a shared machine
// down for a second slows both.
func (r results) compare(f figure) (comparison, error) {
	ours, floor := r[f.ours], r[f.floor]
	if len(ours) == 0 || len(ours) != len(floor) {
		return comparison{}, fmt.Errorf("%s, %s: %w", f.ours, f.floor, errNoSample)
	}
	turns := r[f.turns]
	if f.turns != "" && len(turns) != len(ours) {
		return comparison{}, fmt.Errorf("%s: %w", f.turns, errNoSample)
	}
	values := make([]float64, len(ours))
	for i := range ours {
		values[i] = f.value(ours[i].ns, floor[i].ns)
		if f.turns != "" {
			values[i] = turns[i].ratio
		}
	}
	c := comparison{ours: median(ours), floor: median(floor), value: middle(values)}
	allocs := c.ours.allocs
	if f.added {
		allocs -= c.floor.allocs
	}
	c.met = (f.most == 0 || c.value <= f.most) && (f.allocs < 0 || allocs <= f.allocs)
	return c, nil
}

func (f figure) value(ours, floor float64) float64 {
	if f.added {
		return ours - floor
	}
	return ours / floor
}

func (f figure) show(value float64) string {
	if f.added {
		return fmt.Sprintf("%+.0f ns", value)
	}
	return fmt.Sprintf("%.2f x", value)
}

func (f figure) limits() string {
	switch {
	case f.most == 0:
		return ""
	case f.allocs < 0:
		return f.show(f.most)
	case f.added:
		return fmt.Sprintf("%s, %+d allocs", f.show(f.most), f.allocs)
	default:
		return fmt.Sprintf("%s, %d allocs", f.show(f.most), f.allocs)
	}
}

func (c comparison) verdict(f figure) string {
	switch {
	case f.most == 0:
		return ""
	case c.met:
		return "met"
	default:
		return "NOT MET"
	}
}

func median(samples []sample) sample {
	ns, allocs := make([]float64, len(samples)), make([]int, len(samples))
	for i, s := range samples {
		ns[i], allocs[i] = s.ns, s.allocs
	}
	return sample{ns: middle(ns), allocs: slices.Max(allocs)}
}

func middle[T cmp.Ordered](values []T) T {
	return slices.Sorted(slices.Values(values))[len(values)/2]
}
