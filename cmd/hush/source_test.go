package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Flags override variables, and variables override files.
func TestSourcePrecedence(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	named := write("named.yaml", "providers: ['env:?prefix=NAMED_']\nlog: {level: debug}\n")
	other := write("other.yaml", "providers: ['env:?prefix=OTHER_']\n")
	settings := write("settings.yaml", "log: {level: debug}\n")
	values := []string{"DB=default", "FOUND_DB=found", "NAMED_DB=named", "OTHER_DB=other", "VAR_DB=variable", "FLAG_DB=flag", "FLAG2_X=x"}
	inDir := func(vars []string, flags ...string) result {
		cmd := exec.CommandContext(t.Context(), binary, append(append([]string{"get"}, flags...), "db")...)
		cmd.Env, cmd.Dir = environ(t, append(vars, values...)...), dir
		return finish(t, cmd)
	}
	check := func(want string, vars []string, flags ...string) (stderr string) {
		t.Helper()
		got := inDir(vars, flags...)
		assert.Equal(t, want, got.stdout, got.stderr)
		assert.Zero(t, got.code)
		return got.stderr
	}
	check("default", nil)
	assert.Contains(t, check("default", nil, "--config", settings), `"msg"`, "a file without providers")
	write("hush.yaml", "providers: ['env:?prefix=FOUND_']\nlog: {level: debug}\n")
	assert.Contains(t, check("found", nil), `"msg"`)
	check("found", []string{"HUSH_LOG_LEVEL=off", "HUSH_CONFIG="})
	check("other", []string{"HUSH_CONFIG=" + other})
	assert.Contains(t, check("named", []string{"HUSH_CONFIG=" + other}, "--config", named), `"msg"`)
	check("variable", []string{"HUSH_PROVIDERS=env:?prefix=VAR_"})
	assert.Contains(t, check("variable", []string{"HUSH_PROVIDERS=env:?prefix=VAR_"}, "--config", named), `"msg"`, "other keys of the file apply")
	assert.Empty(t, check("flag", []string{"HUSH_PROVIDERS=env:?prefix=VAR_"}, "--provider", "env:?prefix=FLAG_"))
	assert.Contains(t, check("flag", nil, "--provider", "env:?prefix=FLAG2_", "--provider", "env:?prefix=FLAG_&link_name=two", "--config", named), `"msg"`)
	check("flag", []string{"HUSH_CONFIG=" + filepath.Join(dir, "hush.yaml"), "HUSH_PROVIDERS=nope:"}, "--provider", "env:?prefix=FLAG_")
}

func TestSourceReportsMistakes(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "hush.yaml")
	require.NoError(t, os.WriteFile(path, []byte("providers:\n  - evn\n  - env:?prefx=canary\ncache: {tll: 5m}\n"), 0o600))
	for _, c := range []struct {
		vars, flags []string
		want        []string
	}{
		// All mistakes are reported, with their places.
		{nil, []string{"--config", path}, []string{
			path + `:2:5: provider 1: unknown scheme "evn"`, path + `:3:5: provider 2: env: unknown parameter "prefx"`, path + `:4:9: cache: unknown key "tll"`,
		}},
		{[]string{"HUSH_PROVIDERS=evn"}, nil, []string{`HUSH_PROVIDERS: provider 1: unknown scheme "evn"`, `did you mean "env"?`}},
		{nil, []string{"--provider", "env", "--provider", "evn"}, []string{`hush: --provider 2: unknown scheme "evn"`}},
		{nil, []string{"--provider", "env", "--provider", "env"}, []string{"hush: --provider 2: env is also provider 1; remove one of them"}},
		{nil, slices.Repeat([]string{"--provider", "env"}, 65), []string{"hush: --provider: must not have more than 64 entries"}},
		{nil, []string{"--provider", "ssm"}, []string{`hush: --provider 1: unknown scheme "ssm"`, "use direct, which reads AWS Secrets Manager"}},
		{[]string{"HUSH_CACHE_TLL=5m"}, []string{"--provider", "evn"}, []string{"HUSH_CACHE_TLL: unknown variable", `--provider 1: unknown scheme "evn"`}},
		{nil, []string{"--provider", "env extension"}, []string{"--provider 1: "}},
		{nil, []string{"--provider", ""}, []string{"--provider 1: "}},
		{nil, []string{"--config", ""}, []string{"--config: the path of the file is empty"}},
		{nil, []string{"--config", filepath.Join(dir, "nope.yaml")}, []string{"does not exist"}},
		{[]string{"HUSH_CACHE_TLL=5m"}, nil, []string{`HUSH_CACHE_TLL: unknown variable: did you mean HUSH_CACHE_TTL?`}},
	} {
		t.Run(fmt.Sprintf("%.60s", fmt.Sprint(c.vars, c.flags)), func(t *testing.T) {
			got := hush(t, c.vars, append(append([]string{"get"}, c.flags...), "db")...)
			assert.Equal(t, 2, got.code, c.flags)
			assert.Empty(t, got.stdout)
			for _, words := range c.want {
				assert.Contains(t, got.stderr, words)
			}
			assert.NotContains(t, got.stderr, "canary")
		})
	}
	// A mistake in a flag does not name a variable.
	assert.NotContains(t, hush(t, nil, "get", "--provider", "evn", "db").stderr, "HUSH_PROVIDERS")
}

// hush reports the stores of a found file, and names the file if it has mistakes.
func TestSourceReportsFoundFile(t *testing.T) {
	dir := t.TempDir()
	run := func(text string, vars []string, args ...string) result {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "hush.yaml"), []byte(text), 0o600))
		cmd := exec.CommandContext(t.Context(), binary, args...)
		cmd.Env, cmd.Dir = environ(t, append(vars, "DB=value")...), dir
		return finish(t, cmd)
	}
	const stores = "providers: [vault, direct, env]\n"
	const notice = "hush: using hush.yaml in the working directory: vault, direct, env\n"
	assert.Equal(t, result{stdout: "value", stderr: notice}, run(stores, nil, "get", "db"))
	assert.Contains(t, run(stores, nil, "doctor").stderr, notice)
	assert.Equal(t, result{stdout: "value"}, run(stores, nil, "get", "--config", "hush.yaml", "db"), "the file is named")
	assert.Equal(t, result{stdout: "value"}, run(stores, []string{"HUSH_PROVIDERS=env"}, "get", "db"))
	assert.Equal(t, result{stdout: "value"}, run("providers: [env]\n", nil, "get", "db"))
	for text, want := range map[string]string{
		"names: {'': {env: x}}\n": "invalid reference: the name is empty\n",
		"providers: [evn]\n":      "hush: hush.yaml:1:13: provider 1: unknown scheme",
	} {
		got := run(text, nil, "get", "db")
		assert.Equal(t, 2, got.code)
		assert.Contains(t, got.stderr, want)
		assert.Contains(t, got.stderr, "\n  hush found hush.yaml in the working directory; set HUSH_PROVIDERS or --provider to ignore it\n")
	}
	assert.NotContains(t, run("providers: [evn]\n", nil, "get", "--config", "hush.yaml", "db").stderr, "hush found")
}

// With verify, an unavailable store has its own exit status.
func TestSourceVerifies(t *testing.T) {
	vars, provider, asked := countingStore(t)
	got := hush(t, append(vars, "HUSH_VERIFY=true", "HUSH_PROVIDERS="+provider), "get", "db")
	assert.Equal(t, 7, got.code, got.stderr)
	assert.NotZero(t, asked.Load())
}
