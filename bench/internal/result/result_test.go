package result_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/bench/internal/result"
)

const output = `goos: linux
cpu: Intel(R) Xeon(R) Processor
BenchmarkHit/hot/hush-2     	 4000000	        60.5 ns/op	       0 B/op	       0 allocs/op
BenchmarkHit/hot/otter-2    	 2000000	       150 ns/op	       0 B/op	       1 allocs/op
BenchmarkHit/hot/hush-2     	 4000000	        61.5 ns/op	       0 B/op	       0 allocs/op
BenchmarkBroken-2           	 4000000	        61.5
PASS
`

func TestLoadReturnsSavedResults(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "results")
	r := result.New("hits", "go -C bench run ./report hits")
	r.AddText(output)
	r.Add("BenchmarkStart/hush", map[string]float64{"ms/start": 12.25, "MiB": 9})
	require.NoError(t, r.Save(dir))

	all, err := result.Load(dir)
	require.NoError(t, err)
	require.Equal(t, map[string]*result.Result{"hits": r}, all)
	assert.Equal(t, result.Samples{
		"Hit/hot/hush":  {"ns/op": {60.5, 61.5}, "B/op": {0, 0}, "allocs/op": {0, 0}},
		"Hit/hot/otter": {"ns/op": {150}, "B/op": {0}, "allocs/op": {1}},
		"Start/hush":    {"ms/start": {12.25}, "MiB": {9}},
	}, all["hits"].Samples())
	assert.Regexp(t, `^.+, \d+ cores, \w+/\w+$`, r.Machine)
}

func TestLoadReportsInvalidFiles(t *testing.T) {
	empty, err := result.Load(filepath.Join(t.TempDir(), "missing"))
	require.NoError(t, err)
	assert.Empty(t, empty)

	for name, text := range map[string]string{"broken": `{`, "other": `{"section": "hits"}`} {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, name+".json"), []byte(text), 0o600))
		_, err := result.Load(dir)
		assert.ErrorContains(t, err, name+".json")
	}
}
