package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRun(t *testing.T) {
	t.Setenv("HUSH_PROVIDERS", "extension env:?prefix=APP_")
	t.Setenv("APP_DB", `{"password":"hunter2"}`)
	var out strings.Builder
	require.NoError(t, run(t.Context(), &out, []string{"db", "db#password"}))
	assert.Equal(t, "db: 22 bytes from env\ndb#password: 7 bytes from env\n", out.String())
	assert.Error(t, run(t.Context(), &out, []string{"missing"}))

	t.Setenv("HUSH_PROVIDERS", "vault env")
	assert.ErrorContains(t, run(t.Context(), &out, nil), `unknown scheme "vault"; known: extension, env`)
}
