package bench_test

import (
	"bytes"
	"context"
	"os/exec"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// initTime is the line of a package in the output of GODEBUG=inittrace=1.
var initTime = regexp.MustCompile(`(?m)^init \S+ @\S+ ms, (\S+) ms clock, \d+ bytes, (\d+) allocs$`)

// BenchmarkInit measures the time and the allocations of all packages before main. It compares a
// program with cachettl, chain, extension and env with a program with only net/http,
// encoding/json and zap.
func BenchmarkInit(b *testing.B) {
	for _, name := range []string{"hush", "floor"} {
		program := build(b, ".", "./size/"+name)
		b.Run(name, func(b *testing.B) {
			var ms, allocs float64
			for b.Loop() {
				cmd := exec.CommandContext(context.Background(), program)
				cmd.Env = []string{"GODEBUG=inittrace=1"}
				var trace bytes.Buffer
				cmd.Stderr = &trace
				require.NoError(b, cmd.Run())
				lines := initTime.FindAllStringSubmatch(trace.String(), -1)
				require.NotEmpty(b, lines)
				for _, line := range lines {
					ms += number(b, line[1])
					allocs += number(b, line[2])
				}
			}
			b.ReportMetric(ms*1e6/float64(b.N), "init-ns/op")
			b.ReportMetric(allocs/float64(b.N), "init-allocs")
		})
	}
}

func number(tb testing.TB, text string) float64 {
	tb.Helper()
	n, err := strconv.ParseFloat(text, 64)
	require.NoError(tb, err)
	return n
}
