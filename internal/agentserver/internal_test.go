package agentserver

import (
	"net/url"
	"os"
	"path"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
)

func TestCheckPattern(t *testing.T) {
	const (
		invalid  = "not a valid pattern"
		doubled  = "** matches the same as *"
		slash    = "a set contains a slash"
		negation = "write a negated set as [^…]"
		reversed = "a range ends before it begins"
	)
	for pattern, problem := range map[string]string{
		"":           "an empty pattern",
		"[a":         invalid,
		`a\`:         invalid,
		"[]":         invalid,
		"[a-]":       invalid,
		"\xff":       invalid,
		"**":         doubled,
		"orders/**":  doubled,
		"a**b":       doubled,
		"[a/]":       slash,
		"a[^/]b":     slash,
		"[!a]":       negation,
		"x[!a-b]":    negation,
		"[z-a]":      reversed,
		"[^z-a]":     reversed,
		"[a-cz-x]":   reversed,
		`[\z-a]`:     reversed,
		`[z-\a]`:     reversed,
		"[é-e]":      reversed,
		"*":          "",
		"*/*":        "",
		`\**`:        "",
		`*\*`:        "",
		"[*][*]":     "",
		"[**]":       "",
		"[a!]":       "",
		`\[!a`:       "",
		"[[!]":       "",
		"[a-z]":      "",
		"[a-a]":      "",
		"[^a-z0-9]?": "",
		`[\a-\z]`:    "",
		`[a\-\]]-z`:  "",
		"z-a":        "",
		"[e-é]":      "",
		"arn:aws:secretsmanager:*:*:secret:orders/*": "",
	} {
		t.Run(pattern, func(t *testing.T) {
			if problem == "" {
				require.NoError(t, CheckPattern(pattern))
			} else {
				require.ErrorContains(t, CheckPattern(pattern), problem)
			}
		})
	}
}

func FuzzCheckPattern(f *testing.F) {
	for _, pattern := range []string{"orders/*", "[z-a]", `[\z-\a]`, "[^!]", "**", `a\`} {
		f.Add(pattern)
	}
	f.Fuzz(func(t *testing.T, pattern string) {
		if _, err := path.Match(pattern, ""); err != nil {
			assert.Error(t, CheckPattern(pattern))
		}
		_ = CheckPattern(pattern)
	})
}

func TestStopDeliveredTwiceIsOneStop(t *testing.T) {
	now := time.Now()
	first := stop{syscall.SIGTERM, now}
	assert.True(t, first.repeats(stop{syscall.SIGTERM, now.Add(50 * time.Millisecond)}))
	assert.False(t, first.repeats(stop{syscall.SIGTERM, now.Add(100 * time.Millisecond)}))
	assert.False(t, first.repeats(stop{os.Interrupt, now}))
}

func TestGuardWithoutAPatternAllowsNoName(t *testing.T) {
	t.Setenv("APP_DB", "hunter2")
	for name, test := range map[string]struct {
		allow []string
		want  hush.Class
	}{
		"nil": {nil, 0}, "a pattern": {[]string{"db"}, 0}, "empty": {[]string{}, hush.ErrDenied}, "malformed": {[]string{"["}, hush.ErrDenied},
	} {
		t.Run(name, func(t *testing.T) {
			schemes := GuardedSchemes(test.allow, nil)
			i := slices.IndexFunc(schemes, func(s hush.Scheme) bool { return s.Name == envScheme })
			p, err := schemes[i].Open(t.Context(), &url.URL{Scheme: envScheme, RawQuery: "prefix=APP_"})
			require.NoError(t, err)
			ref := hush.Name("db")
			_, err = p.Get(withRequestedName(t.Context(), ref), ref)
			assert.Equal(t, test.want, hush.ClassOf(err))
		})
	}
}
