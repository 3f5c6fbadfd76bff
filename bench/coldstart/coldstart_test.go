package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestRunPrintsTable starts one program once in each setting.
func TestRunPrintsTable(t *testing.T) {
	var out strings.Builder
	require.NoError(t, run(t.Context(), &out, 1, "recipe", false))
	assert.Regexp(t, `(?m)^recipe: net/http, json +\d+\.\d +\d+ +\d+\.\d +[1-9]\d* +[1-9]\d* \| +[1-9]\d*\.\d +[3-9]\d\.\d`, out.String())
}

func TestRunPrintsBenchmarkLines(t *testing.T) {
	var out strings.Builder
	require.NoError(t, run(t.Context(), &out, 1, "recipe", true))
	assert.Regexp(t, `(?m)^BenchmarkColdStart/share=core/latency=30ms/recipe/extension 1 [3-9]\d{7} ns/op [1-9]\d+ cpu-ns/op$`, out.String())
	assert.Regexp(t, `(?m)^BenchmarkProgram/recipe 1 \d+ bytes \d+ packages \d+ init-ns/op \d+ init-allocs \d+ init-B$`, out.String())
}

func TestInitLine(t *testing.T) {
	const trace = "init runtime @0.1 ms, 0.07 ms clock, 0 bytes, 0 allocs\ninit errors @0.6 ms, 0.002 ms clock, 160 bytes, 4 allocs\n"
	assert.Equal(t, [][]string{
		{"init runtime @0.1 ms, 0.07 ms clock, 0 bytes, 0 allocs", "0.07", "0", "0"},
		{"init errors @0.6 ms, 0.002 ms clock, 160 bytes, 4 allocs", "0.002", "160", "4"},
	}, initLine.FindAllStringSubmatch(trace, -1))
}

func TestMedian(t *testing.T) {
	assert.Equal(t, 2*time.Second, median([]time.Duration{3 * time.Second, time.Second, 2 * time.Second}))
	assert.Zero(t, median(nil))
}
