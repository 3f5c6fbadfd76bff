package main

import (
	"os"
	"path"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestMisreads(t *testing.T) {
	for pattern, why := range map[string]string{
		"":           "it is empty",
		"[a":         "it is no pattern",
		`a\`:         "it is no pattern",
		"[]":         "it is no pattern",
		"[a-]":       "it is no pattern",
		"**":         "** is no more than *",
		"orders/**":  "** is no more than *",
		"a**b":       "** is no more than *",
		"[a/]":       "a set of it has a slash",
		"a[^/]b":     "a set of it has a slash",
		"[!a]":       "what is not in a set is [^…]",
		"x[!a-b]":    "what is not in a set is [^…]",
		"[z-a]":      "a range of it ends before it begins",
		"[^z-a]":     "a range of it ends before it begins",
		"[a-cz-x]":   "a range of it ends before it begins",
		`[\z-a]`:     "a range of it ends before it begins",
		`[z-\a]`:     "a range of it ends before it begins",
		"[é-e]":      "a range of it ends before it begins",
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
		got := misreads(pattern)
		if assert.Equal(t, why == "", got == "", "%q: %s", pattern, got) {
			assert.Contains(t, got, why, pattern)
		}
	}
}

func FuzzMisreads(f *testing.F) {
	for _, pattern := range []string{"orders/*", "[z-a]", `[\z-\a]`, "[^!]", "**", `a\`} {
		f.Add(pattern)
	}
	f.Fuzz(func(t *testing.T, pattern string) {
		why := misreads(pattern)
		if _, err := path.Match(pattern, ""); err != nil && why == "" {
			t.Errorf("%q is no pattern", pattern)
		}
	})
}

func TestOneStopThatComesTwice(t *testing.T) {
	now := time.Now()
	first := ending{syscall.SIGTERM, now}
	assert.True(t, first.same(ending{syscall.SIGTERM, now.Add(50 * time.Millisecond)}))
	assert.False(t, first.same(ending{syscall.SIGTERM, now.Add(100 * time.Millisecond)}))
	assert.False(t, first.same(ending{os.Interrupt, now}))
}
