package main_test

import (
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/config"
	"github.com/hush-secrets/hush/config/all"
)

// The help has exactly the variables, schemes and parameters that exist.
func TestHelpConfiguration(t *testing.T) {
	got := hush(t, nil, "help", "configuration")
	require.Zero(t, got.code)
	var keys []string
	for _, found := range regexp.MustCompile(`(?m)^ {4}([a-z_]+(?:\.[a-z_]+)?) +\S+ +\S`).FindAllStringSubmatch(after(t, got.stdout, "The keys, with their defaults"), -1) {
		keys = append(keys, "HUSH_"+strings.ToUpper(strings.ReplaceAll(found[1], ".", "_")))
	}
	var variables []string
	for _, s := range config.Settings() {
		variables = append(variables, s.Variable)
	}
	assert.Equal(t, variables, keys)
	for _, name := range []string{"HUSH_CONFIG", "HUSH_PROVIDERS", "HUSH_NAMES"} {
		assert.Contains(t, got.stdout, name)
	}
	for _, scheme := range all.Schemes() {
		section := regexp.MustCompile(`(?m)^    ` + scheme.Name + `:\S*( .*\n(?: {20}.*\n)*)`).FindStringSubmatch(got.stdout)
		require.Len(t, section, 2, scheme.Name)
		u, err := url.Parse(scheme.Name + ":?nothing_like_it=1")
		require.NoError(t, err)
		_, err = scheme.Open(t.Context(), u)
		require.Error(t, err)
		_, list, ok := strings.Cut(err.Error(), " takes ")
		require.True(t, ok, err)
		list, _, _ = strings.Cut(list, ":")
		assert.ElementsMatch(t, words(list), words(strings.NewReplacer("auth, and for its methods:", "auth,", ";", ",").Replace(strings.Join(strings.Fields(section[1]), " "))), scheme.Name)
	}
}

func words(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' })
}

func after(t *testing.T, text, mark string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, mark)
	require.True(t, ok, mark)
	return rest
}

func TestHelp(t *testing.T) {
	for topic, want := range map[string]string{
		"reference": "name[?version=ID&stage=LABEL][#field]", "get": "Exit status:", "exec": "--resolve-env", "version": "--json",
	} {
		got := hush(t, nil, "help", topic)
		assert.Zero(t, got.code)
		assert.Empty(t, got.stderr)
		assert.Contains(t, got.stdout, want)
		for line := range strings.Lines(got.stdout) {
			assert.LessOrEqual(t, len(line), 100, line)
		}
	}
	for _, name := range []string{"LD_*", "PATH ", "BASH_*"} {
		assert.Contains(t, hush(t, nil, "exec", "--help").stdout, name)
	}
	got := hush(t, nil)
	for _, name := range []string{"get", "exec", "agent", "doctor", "demo", "version", "completion", "configuration", "reference"} {
		assert.Regexp(t, `(?m)^  (hush )?`+name+` `, got.stdout)
	}
}

func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		got := hush(t, nil, "completion", shell)
		assert.Zero(t, got.code)
		assert.Contains(t, got.stdout, "hush")
	}
	assert.Contains(t, hush(t, nil, "completion").stdout, "powershell")
	assert.Contains(t, hush(t, nil, "help", "completion", "zsh").stdout, "hush completion zsh")
	got := hush(t, nil, "__complete", "get", "--format", "")
	assert.Contains(t, got.stdout, "shell\n")
	assert.NotContains(t, hush(t, nil, "__complete", "get", "").stdout, "main.go", "names of secrets are not files")
}

func TestVersion(t *testing.T) {
	got := hush(t, nil, "version")
	assert.Regexp(t, `^hush version \S+ go1\.\d+\S* \w+/\w+\n$`, got.stdout)
	assert.Equal(t, got, hush(t, nil, "--version"))
	var build struct{ Version, Go, Platform string }
	require.NoError(t, json.Unmarshal([]byte(hush(t, nil, "version", "--json").stdout), &build))
	assert.NotEmpty(t, build.Version)
	assert.Contains(t, got.stdout, build.Version)
	assert.Contains(t, got.stdout, build.Go)
	assert.Contains(t, got.stdout, build.Platform)
	assert.Equal(t, 2, hush(t, nil, "version", "x").code)
}
