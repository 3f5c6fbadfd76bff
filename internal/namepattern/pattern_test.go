package namepattern_test

import (
	"path"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/internal/namepattern"
)

func parse(t *testing.T, text string) namepattern.Pattern {
	t.Helper()
	p, err := namepattern.Parse(text)
	require.NoError(t, err, "%q", text)
	return p
}

func TestNoWildcardMatchesASlash(t *testing.T) {
	for _, pattern := range []string{"a?b", "a*b", "a[^x]b", "a[!-~]b", "a[/]b", "a[./]b", `a[\/]b`, `a[\!-\~]b`, "a[+-9]b", "a[^^]b"} {
		assert.False(t, parse(t, pattern).Match("a/b"), pattern)
		assert.False(t, parse(t, pattern).MatchVariable("a/b"), pattern)
	}
	assert.True(t, parse(t, `a\/b`).Match("a/b"), "an escaped slash is a slash")
}

func TestMatchVariable(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"orders/*", "orders/db", true},
		{"orders/*", "orders/DB2", true},
		{"orders/*", "orders/admin_root", false}, // the variable of orders/admin/root
		{"orders/*", "orders/admin.root", false},
		{"orders/*", "orders/é", false},
		{"orders/*", "orders/_", false},
		{"orders/?", "orders/-", false},
		{"orders/[^x]", "orders/-", false},
		{"orders/[_a]", "orders/_", false},
		{"orders/[_a]", "orders/a", true},
		{"orders/[_a]", "orders/A", false},
		{"orders/[^a]", "orders/a", false},
		{"orders/[^a]", "orders/A", false}, // the variable of orders/a
		{"orders/[^A-C]", "orders/b", false},
		{"orders/[^a]", "orders/b", true},
		{"orders/admin_root", "orders/admin_root", true}, // named in full
		{"orders/*_*", "orders/admin_root", true},        // with its separator
		{"orders/*_*", "orders/admin-root", false},
		{"*-*-*", "a-b-c", true},
		{"*-*", "a-b-c", false},
	} {
		assert.Equal(t, c.want, parse(t, c.pattern).MatchVariable(c.name), "%q %q", c.pattern, c.name)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{"[", "[]", "a[^", `\`, "[a-]", "[-a]", "\xff", "a[\xff]"} {
		_, err := namepattern.Parse(text)
		assert.ErrorIs(t, err, path.ErrBadPattern, "%q", text)
	}
}

// FuzzMatch compares Match with path.Match, whose sets match a slash.
func FuzzMatch(f *testing.F) {
	for pattern, name := range map[string]string{
		"": "", "*": "a", "a*b*c": "abxbxc", "*/a*": "x/ab", "[^a-c]?": "dé", `\*[\]]`: "*]", "**x": "aax", "a/*/b": "a//b", "[a-cx-z]*": "y",
	} {
		f.Add(pattern, name)
	}
	f.Fuzz(func(t *testing.T, pattern, name string) {
		p, err := namepattern.Parse(pattern)
		want, bad := path.Match(pattern, name)
		if !utf8.ValidString(pattern) || bad != nil {
			assert.Equal(t, path.ErrBadPattern, err)
			return
		}
		require.NoError(t, err)
		if !utf8.ValidString(name) {
			assert.False(t, p.Match(name))
			return
		}
		if strings.Contains(pattern, "[") && strings.Contains(name, "/") {
			assert.False(t, p.Match(name) && !want, "it matches more than path.Match")
		} else {
			assert.Equal(t, want, p.Match(name))
		}
		assert.False(t, p.MatchVariable(name) && !p.Match(name), "MatchVariable matches more than Match")
	})
}
