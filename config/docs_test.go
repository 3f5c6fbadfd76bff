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

// rows returns the cells of the tables' rows, by the first two.
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

func TestTheTableHasEverySetting(t *testing.T) {
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

// TestTheTableHasTheDefaults: what the table says is the default, and what 0 does, is
// what a file may say.
func TestTheTableHasTheDefaults(t *testing.T) {
	for row, cells := range rows(documentation(t)) {
		section, name, nested := strings.Cut(row[0], ".")
		if !nested || !strings.HasPrefix(row[1], "HUSH_") {
			continue
		}
		if cells[2] != "off" || row[0] == "log.level" {
			_, err := config.Read([]byte(section + ": {" + name + ": " + cells[2] + "}"))
			assert.NoError(t, err, row[0])
		}
		_, err := config.Read([]byte(section + ": {" + name + ": 0}"))
		assert.Equal(t, cells[3] == "an error" || cells[3] == "–", err != nil, "%s: 0", row[0])
	}
}

var knownParameters = regexp.MustCompile(`takes ([a-z_, ]+)`)

func TestTheTableHasEveryParameter(t *testing.T) {
	for line := range strings.Lines(documentation(t)) {
		for _, scheme := range []string{"extension", "direct", "env"} {
			if !strings.HasPrefix(line, "| `"+scheme+"` |") {
				continue
			}
			_, err := config.Open(t.Context(), &config.Config{Providers: []config.Link{{URL: scheme + ":?no_such=1"}}}, all.Schemes()...)
			require.Error(t, err)
			known := knownParameters.FindStringSubmatch(err.Error())
			require.NotNil(t, known, err)
			for parameter := range strings.SplitSeq(known[1], ", ") {
				assert.Contains(t, line, "`"+parameter+"`")
			}
		}
	}
}

var example = regexp.MustCompile("(?s)```yaml\n(.*?)```")

func TestTheExamplesOpen(t *testing.T) {
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

func TestTheErrorsAreThese(t *testing.T) {
	_, err := config.OpenFile(t.Context(), write(t, "providers:\n  - drect\ncache: {ttl: 300}\n"), all.Schemes()...)
	require.Error(t, err)
	for line := range strings.SplitSeq(err.Error(), "\n") {
		_, said, _ := strings.Cut(line, "hush.yaml")
		assert.Contains(t, documentation(t), "hush.yaml"+said)
	}
}
