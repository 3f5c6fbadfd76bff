package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/bench/internal/result"
)

// TestDocumentsShowTheStoredResults fails if the documents were edited by hand, or if results or
// templates changed and the documents were not rendered.
func TestDocumentsShowTheStoredResults(t *testing.T) {
	results, err := result.Load(filepath.Join("..", resultsDir))
	require.NoError(t, err)
	require.NotEmpty(t, results)
	assert.Empty(t, outdated(t, filepath.Join("..", root), results), "run go -C bench run ./report -render")
}

// outdated returns the files that differ from the rendered results.
func outdated(t *testing.T, root string, results map[string]*result.Result) (names []string) {
	t.Helper()
	files, err := render(root, results)
	require.NoError(t, err)
	for _, f := range files {
		if text, err := os.ReadFile(f.path); err != nil || !bytes.Equal(text, f.content) {
			names = append(names, filepath.Base(f.path))
		}
	}
	return names
}

// fakeResults returns results of all sections. In round i, hush takes 100+i ns and each floor
// 200 ns. All other values are constant.
func fakeResults() map[string]*result.Result {
	results := map[string]*result.Result{}
	for _, s := range sections {
		results[s.name] = &result.Result{Section: s.name, Command: "run " + s.name, Date: "2026-01-02", Go: "go1.26.8", Machine: "a machine"}
	}
	for i := range 3 {
		added := map[string]bool{}
		add := func(section, benchmark, unit string, value float64) {
			if key := section + benchmark + unit; !added[key] {
				added[key] = true
				results[section].Add("Benchmark"+benchmark, map[string]float64{unit: value})
			}
		}
		for _, c := range cacheNames {
			for _, goroutines := range []int{1, 2} {
				for _, mode := range []string{"hot", "spread"} {
					ns := 200.0
					if strings.HasPrefix(c.id, "hush") {
						ns = float64(100 + i)
					}
					results["hits"].Add("Benchmark"+hit(mode, goroutines, c.id), map[string]float64{"ns/op": ns, "calls/s": 1e9 / ns, "allocs/op": 0})
				}
			}
		}
		for _, c := range comparisons {
			if c.section == "hits" {
				continue
			}
			if c.alternating != "" {
				for unit, value := range map[string]float64{"ours-ns/op": 202, "bare-ns/op": 200, "ours/bare": 1.01} {
					add(c.section, c.alternating, unit, value)
				}
				continue
			}
			unit := map[bool]string{true: "ns/op", false: c.unit}[c.unit == ""]
			add(c.section, c.ours, unit, float64(100+i))
			add(c.section, c.floor, unit, 200)
		}
		for _, read := range []string{"sdk/first", "sdk/warm", "extension/first", "extension/warm", "memory"} {
			add("path", "Path/"+read, "ns/op", 3e7)
		}
	}
	results["demo"].AddText("  ✓ first read, SDK  1s\n2\n3\n4\n5\n6\n")
	results["fleet"].AddText("caches  calls\nnone    1\n\nprogram  calls\nhush     2\n")
	return results
}

// repository returns a directory with a document with a block.
func repository(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "docs"), 0o700))
	readme := "# Title\n\n<!-- report: size -->\nby hand\n<!-- report end -->\n\nAfter.\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "README.md"), []byte(readme), 0o600))
	return dir
}

func TestRenderWritesAllFiles(t *testing.T) {
	dir, results := repository(t), fakeResults()
	assert.ElementsMatch(t, []string{"performance.md", "hits-light.svg", "hits-dark.svg", "path-light.svg", "path-dark.svg", "README.md"}, outdated(t, dir, results))
	files, err := render(dir, results)
	require.NoError(t, err)
	for _, f := range files {
		require.NoError(t, f.write())
	}
	assert.Empty(t, outdated(t, dir, results))

	page := read(t, dir, "docs/performance.md")
	assert.Contains(t, page, "| hit, 1 goroutine, one hot secret | 101 ns | otter | 200 ns | 0.51 × | 0.50 × to 0.51 × | ≤ 0.72 × | met |")
	assert.Contains(t, page, "| throughput, 2 goroutines, one hot secret | 9,900,990/s | 1 goroutine | 9,900,990/s | 1.00 × |  | ≥ 1.70 × | NOT MET |")
	assert.Contains(t, page, "| chain of one | 101 ns | its link | 200 ns | -99.0 ns | -100 ns to -98.0 ns | ≤ +60.0 ns | met |")
	assert.Contains(t, page, "| program | calls |\n|---|---|\n| hush | 2 |")
	readme := read(t, dir, "README.md")
	assert.Contains(t, readme, "is 0.51 times as\nlarge as")
	assert.True(t, strings.HasPrefix(readme, "# Title\n\n<!-- report: size -->\n") && strings.HasSuffix(readme, "<!-- report end -->\n\nAfter.\n"), readme)
	assert.Contains(t, read(t, dir, "docs/images/hits-dark.svg"), ">101 ns</text>")
	for _, tick := range []string{"10 ns", "1 µs", "100 µs", "10 ms", "1 s"} {
		assert.Contains(t, read(t, dir, "docs/images/path-light.svg"), ">"+tick+"</text>")
	}

	results["hits"].Output = results["hits"].Output[:0]
	_, err = render(dir, results)
	require.ErrorIs(t, err, errNoSample)
	delete(results, "hits")
	_, err = render(dir, results)
	assert.ErrorContains(t, err, "go -C bench run ./report hits")
}

func TestRenderDetectsEditedFigures(t *testing.T) {
	dir, results := repository(t), fakeResults()
	files, err := render(dir, results)
	require.NoError(t, err)
	for _, f := range files {
		require.NoError(t, f.write())
	}
	for _, name := range []string{"README.md", "docs/performance.md", "docs/images/path-light.svg"} {
		text := read(t, dir, name)
		edited := strings.NewReplacer("0.51", "0.41", "30.0 ms", "20.0 ms").Replace(text)
		require.NotEqual(t, text, edited, name)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(edited), 0o600))
		assert.Equal(t, []string{filepath.Base(name)}, outdated(t, dir, results))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	require.NoError(t, err)
	return string(text)
}

func TestComparisonEvaluatesLimit(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*comparison)
		met    bool
		value  string
	}{
		"ratio within":       {func(c *comparison) { c.limit = "≤ 0.6" }, true, "0.50 ×"},
		"ratio above":        {func(c *comparison) { c.limit = "≤ 0.49" }, false, "0.50 ×"},
		"ratio above, fast":  {func(c *comparison) { c.limit, c.sufficient = "≤ 0.49", 100 }, true, "0.50 ×"},
		"ratio below":        {func(c *comparison) { c.limit = "≥ 0.51" }, false, "0.50 ×"},
		"difference above":   {func(c *comparison) { c.limit, c.relation = "≤ -101", difference }, false, "-100 ns"},
		"absolute within":    {func(c *comparison) { c.limit, c.relation = "≤ 100", absolute }, true, "100 ns"},
		"largest of several": {func(c *comparison) { c.limit, c.relation, c.ours = "≤ 199", absolute, "A/*" }, false, "200 ns"},
		"alternating":        {func(c *comparison) { c.limit, c.ours, c.floor, c.alternating = "≤ 1.1", "", "", "A/turns" }, false, "1.20 ×"},
		"no limit":           {func(*comparison) {}, true, "0.50 ×"},
		"optional":           {func(c *comparison) { c.ours, c.optional = "B", "why" }, false, "not measured"},
		"optional, no floor": {func(c *comparison) { c.floor, c.optional = "B", "why" }, false, "not measured"},
	} {
		t.Run(name, func(t *testing.T) {
			r := &result.Result{}
			for range 3 {
				r.AddText("BenchmarkA/ours-2 1 100 ns/op\nBenchmarkA/floor-2 1 200 ns/op\nBenchmarkA/turns-2 1 5 ns/op 120 ours-ns/op 100 bare-ns/op\n")
			}
			compared := comparison{section: "a", ours: "A/ours", floor: "A/floor"}
			c.change(&compared)
			n, err := compared.evaluate(map[string]*result.Result{"a": r})
			require.NoError(t, err)
			assert.Equal(t, c.met, n.met)
			assert.Contains(t, compared.cells(n), c.value)
			if compared.alternating != "" {
				assert.Equal(t, []string{"120 ns", "", "100 ns"}, compared.cells(n)[1:4])
			}
		})
	}
	_, err := comparison{section: "a", ours: "B"}.evaluate(map[string]*result.Result{"a": {}})
	assert.ErrorIs(t, err, errNoSample)
}

func TestShowFormatsUnits(t *testing.T) {
	for want, c := range map[string]struct {
		value float64
		unit  string
	}{
		"76.4 ns": {76.44, ""}, "1.28 µs": {1284, "ns/op"}, "50.0 µs": {50_000, ""}, "1.05 s": {1.05e9, ""}, "-8.00 ns": {-8, ""},
		"6,902,025": {6902025, "bytes"}, "999/s": {999, "req/s"}, "86": {86, "allocs/op"}, "12.4 MiB": {12.36, "MiB"},
	} {
		assert.Equal(t, want, show(c.value, c.unit))
	}
}

func TestSelectSections(t *testing.T) {
	_, err := selectSections([]string{"hits", "unknown-section"}, false)
	require.ErrorContains(t, err, "unknown-section")
	all, err := selectSections(nil, false)
	require.NoError(t, err)
	assert.Len(t, all, len(sections)-1, "soak is explicit")
	quick, err := selectSections(nil, true)
	require.NoError(t, err)
	assert.Less(t, len(quick), len(all))
}

func TestSizesParsesOutput(t *testing.T) {
	text := fmt.Sprintf("%-20s %9d bytes\n%-20s %9d bytes, 1.043 times that (limit 1.08)\n", "net/http", 66, "hush", 69)
	assert.Equal(t, map[string]map[string]float64{"BenchmarkSize/floor": {"bytes": 66}, "BenchmarkSize/hush": {"bytes": 69}}, sizes(text))
}

func TestStripTestOutput(t *testing.T) {
	const text = "=== RUN   TestA\n    program  calls\n    hush     1\n    a_test.go:12: 3 reads\n--- PASS: TestA (1.00s)\n    --- PASS: TestA/b (1.00s)\nPASS\nok  \tpkg\t1.2s\n"
	assert.Equal(t, "program  calls\nhush     1\n3 reads\n", stripTestOutput(text))
}
