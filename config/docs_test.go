package config_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/config"
	"github.com/hush-secrets/hush/config/all"
)

func documentation(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../docs/configuration.md")
	require.NoError(t, err)
	return string(text)
}

// rows returns the cells of all table rows, by the first two cells.
func rows(text string) map[[2]string][]string {
	found := map[[2]string][]string{}
	for line := range strings.Lines(text) {
		if cells := strings.Split(strings.TrimSpace(line), "|"); len(cells) > 4 {
			for i := range cells {
				cells[i] = strings.Trim(cells[i], " `")
			}
			found[[2]string{cells[1], cells[2]}] = cells[1:]
		}
	}
	return found
}

func TestDocsHaveEverySetting(t *testing.T) {
	table := rows(documentation(t))
	for _, key := range config.Keys() {
		variable := "HUSH_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
		assert.Contains(t, table, [2]string{key, variable})
		assert.Contains(t, config.Variables(), variable)
	}
	for row := range table {
		if strings.HasPrefix(row[1], "HUSH_") {
			assert.Contains(t, config.Variables(), row[1])
		}
	}
	assert.Contains(t, table, [2]string{"", "HUSH_CONFIG"})
	for _, key := range []string{"name", "timeout", "policy", "prefix"} {
		assert.Contains(t, table, [2]string{key, "link_" + key})
	}
}

// TestDocsHaveTheDefaults reads the default of each setting, and 0, from a file. The
// table says whether 0 is an error.
func TestDocsHaveTheDefaults(t *testing.T) {
	table := rows(documentation(t))
	for _, s := range config.Settings() {
		cells := table[[2]string{s.Key, s.Variable}]
		require.NotEmpty(t, cells, s.Key)
		assert.Equal(t, s.Default, cells[2], s.Key)
		section, name, nested := strings.Cut(s.Key, ".")
		for text, bad := range map[string]bool{s.Default: false, "0": cells[3] == "an error" || cells[3] == "–"} {
			yaml := section + ": " + text
			if nested {
				yaml = section + ": {" + name + ": " + text + "}"
			}
			_, err := config.Read([]byte(yaml))
			assert.Equal(t, bad, err != nil, "%s: %v", yaml, err)
		}
	}
}

// TestDefaultsMatchTheOptions compares the documented defaults with the comments of
// the fields that the settings set.
func TestDefaultsMatchTheOptions(t *testing.T) {
	zeroMeans := regexp.MustCompile(`Zero (?:StaleIfError )?(?:or a negative value )?means ([0-9.,]+(?: m?[smh]\b)?|not at all)`)
	plain := strings.NewReplacer("not at all", "0", " ", "", ",", "")
	for _, s := range config.Settings() {
		section, name, _ := strings.Cut(s.Key, ".")
		if name == "" || section == "log" {
			continue
		}
		file, field := map[string]string{"cache": "../cachettl/options.go", "breaker": "../chain/breaker.go"}[section], camelCase(name)
		switch s.Key {
		case "cache.ttl":
			file, field = "config.go", "CacheTTL"
		case "cache.stale_if_error":
			file, field = "config.go", "Cache"
		}
		t.Run(s.Key, func(t *testing.T) {
			found := zeroMeans.FindStringSubmatch(fieldComment(t, file, field))
			require.NotNil(t, found, field)
			assert.Equal(t, s.Default, plain.Replace(strings.TrimSuffix(found[1], ".")))
		})
	}
}

// camelCase returns the field of a key, such as NegativeTTL of negative_ttl.
func camelCase(key string) string {
	var field string
	for word := range strings.SplitSeq(key, "_") {
		if word == "ttl" {
			word = "TTL"
		}
		field += strings.ToUpper(word[:1]) + word[1:]
	}
	return field
}

// fieldComment returns the comment of a field of a struct.
func fieldComment(t *testing.T, file, name string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	found := regexp.MustCompile(`((?:\t//.*\n)+)\t` + name + ` `).FindSubmatch(text)
	require.NotNil(t, found, name)
	return strings.ReplaceAll(string(found[1]), "\n\t//", "")
}

var knownParameters = regexp.MustCompile(`takes ([a-z_, ]+)`)

// TestDocsHaveEveryParameter compares the tables with the parameters of each scheme.
func TestDocsHaveEveryParameter(t *testing.T) {
	vault, err := os.ReadFile("../docs/vault.md")
	require.NoError(t, err)
	_, inURL, ok := strings.Cut(string(vault), "## As a URL")
	require.True(t, ok)
	inURL, _, _ = strings.Cut(inURL, "\n## ")
	for _, scheme := range all.Schemes() {
		_, err := config.Open(t.Context(), &config.Config{Providers: []config.Store{{URL: scheme.Name + ":?no_such=1"}}}, all.Schemes()...)
		require.Error(t, err)
		known := knownParameters.FindStringSubmatch(err.Error())
		require.NotNil(t, known, err)
		if scheme.Name != "vault" {
			assert.ElementsMatch(t, strings.Split(known[1], ", "), parametersOf(t, scheme.Name))
			continue
		}
		for parameter := range strings.SplitSeq(known[1], ", ") {
			assert.Contains(t, inURL, "`"+parameter+"`")
		}
	}
}

// parametersOf returns the URL parameters in the table on the page of a scheme.
func parametersOf(t *testing.T, scheme string) (names []string) {
	t.Helper()
	page := map[string]string{"extension": "extension", "direct": "secrets-manager", "env": "environment"}[scheme]
	text, err := os.ReadFile("../docs/" + page + ".md")
	require.NoError(t, err)
	_, table, ok := strings.Cut(string(text), "| URL parameter | option | default | meaning |\n|---|---|---|---|\n")
	require.True(t, ok, scheme)
	table, _, _ = strings.Cut(table, "\n\n")
	for line := range strings.Lines(table) {
		if name := strings.Trim(strings.Split(line, "|")[1], " `"); name != "–" {
			names = append(names, name)
		}
	}
	return names
}

var example = regexp.MustCompile("(?s)```yaml\n(.*?)```")

func TestDocsHaveExamplesThatOpen(t *testing.T) {
	text := documentation(t)
	blocks := example.FindAllStringSubmatch(text, -1)
	require.Len(t, blocks, 3)
	for _, block := range blocks {
		c, err := config.Read([]byte(block[1]))
		require.NoError(t, err, block[1])
		open(t, c, all.Schemes()...)
	}
	for _, found := range regexp.MustCompile(`HUSH_PROVIDERS="([^"]+)"`).FindAllStringSubmatch(text, -1) {
		c, err := config.ReadEnviron([]string{"HUSH_PROVIDERS=" + found[1]})
		require.NoError(t, err)
		open(t, c, all.Schemes()...)
	}
}

func TestDocsHaveTheErrors(t *testing.T) {
	_, err := openFile(t, write(t, "providers:\n  - drect\ncache: {ttl: 300}\n"), all.Schemes()...)
	require.Error(t, err)
	for line := range strings.SplitSeq(err.Error(), "\n") {
		_, said, _ := strings.Cut(line, "hush.yaml")
		assert.Contains(t, documentation(t), "hush.yaml"+said)
	}
}
