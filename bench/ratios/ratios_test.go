package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const output = `goos: linux
BenchmarkHit/hush-2           	 4000000	        60.5 ns/op	       0 B/op	       0 allocs/op
BenchmarkHit/otter-2          	 2000000	       150 ns/op	       0 B/op	       1 allocs/op
BenchmarkChain/chain-2        	 2000000	       120 ns/op	      12.0 extra/op	       8 B/op	       2 allocs/op
BenchmarkChain/link-2         	 2000000	        20 ns/op	       0 B/op	       2 allocs/op
PASS
`

func TestTable(t *testing.T) {
	hit := figure{name: "hit", beside: "otter", ours: "BenchmarkHit/hush", floor: "BenchmarkHit/otter", most: 0.8}
	chain := figure{name: "chain", beside: "link", ours: "BenchmarkChain/chain", floor: "BenchmarkChain/link", added: true, most: 150}
	for name, c := range map[string]struct {
		change func(hit, chain *figure)
		met    bool
		shows  string
	}{
		"both met":          {func(_, _ *figure) {}, true, "0.40 x"},
		"a difference":      {func(_, _ *figure) {}, true, "+100 ns"},
		"ratio over":        {func(hit, _ *figure) { hit.most = 0.3 }, false, "NOT MET"},
		"difference over":   {func(_, chain *figure) { chain.most = 99 }, false, "NOT MET"},
		"allocations over":  {func(hit, _ *figure) { hit.ours, hit.floor, hit.most = hit.floor, hit.ours, 9 }, false, "NOT MET"},
		"allocations apart": {func(hit, _ *figure) { hit.ours, hit.floor, hit.most, hit.allocs = hit.floor, hit.ours, 9, -1 }, true, "2.48 x"},
	} {
		t.Run(name, func(t *testing.T) {
			hit, chain := hit, chain
			c.change(&hit, &chain)
			results := results{}
			for range 3 {
				results.add(output)
			}
			var out strings.Builder
			met, err := table(&out, []figure{hit, chain}, results)
			require.NoError(t, err)
			assert.Equal(t, c.met, met, out.String())
			assert.Contains(t, out.String(), c.shows)
		})
	}
}

func TestTableWithoutResult(t *testing.T) {
	results := results{}
	results.add(output)
	_, err := table(&strings.Builder{}, []figure{{ours: "BenchmarkHit/hush", floor: "BenchmarkGone"}}, results)
	assert.ErrorIs(t, err, errNoSample)
}

func TestARatioOfTwoInTurnsIsTheValue(t *testing.T) {
	f := figure{name: "x", ours: "BenchmarkGet/ours", floor: "BenchmarkGet/bare", turns: "BenchmarkGet/ratio", most: 1.15, allocs: -1}
	r := results{}
	r.add("BenchmarkGet/ours-2 \t 10 \t 130.0 ns/op \t 8 B/op \t 1 allocs/op\nBenchmarkGet/bare-2 \t 10 \t 100.0 ns/op \t 8 B/op \t 1 allocs/op\n")
	_, err := r.compare(f)
	require.ErrorIs(t, err, errNoSample, "without it the figure is none")
	r.add("BenchmarkGet/ratio-2 \t 10 \t 230.0 ns/op \t 1.250 ours/bare \t 16 B/op \t 2 allocs/op\n")
	c, err := r.compare(f)
	require.NoError(t, err)
	assert.InDelta(t, 1.25, c.value, 0.001)
	assert.False(t, c.met)
}
