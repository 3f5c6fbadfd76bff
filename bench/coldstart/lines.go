package main

import (
	"fmt"
	"io"
)

// printLines prints each start and the facts of each program in the Go benchmark format, for the
// command report and for benchstat.
func printLines(w io.Writer, cases []testCase, facts map[string]facts, results map[string]map[setting][]sample) {
	for _, c := range cases {
		for setting, samples := range results[c.name] {
			for _, s := range samples {
				fmt.Fprintf(w, "BenchmarkColdStart/%s/latency=%s/%s 1 %d ns/op %d cpu-ns/op\n", setting.share(), setting.latency, c.id(), s.total, s.cpu)
			}
		}
	}
	for program, f := range facts {
		fmt.Fprintf(w, "BenchmarkProgram/%s 1 %d bytes %d packages %d init-ns/op %d init-allocs %d init-B\n", program, f.size, f.packages, f.init, f.allocs, f.bytes)
	}
}

func (s setting) share() string {
	if s.limited {
		return "share=128MB"
	}
	return "share=core"
}

// id returns the name of the program and of the store that responds.
func (c testCase) id() string {
	if c.direct {
		return c.program + "/direct"
	}
	return c.program + "/extension"
}
