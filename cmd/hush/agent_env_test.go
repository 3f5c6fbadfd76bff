package main_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Prefixes and aliases lead to the agent's own variables.
func TestAgentNeverServesItsOwnVariables(t *testing.T) {
	names := `HUSH_NAMES={a: {env: aws/secret/access/key}, b: {env: ws/secret/access/key}, c: {env: vault/token}, d: {env: hush/names}, e: {env: aws}, ok: {env: db}}`
	vars := []string{
		"AWS_SECRET_ACCESS_KEY=canary", "VAULT_TOKEN=canary", "AWS_FILE=canary", "APP_DB=x", "DB=x", "ADB=x", "APP_AWS_SECRET_ACCESS_KEY=x", names,
	}
	for provider, allowed := range map[string][]string{
		"env:?prefix=APP_":                   {"ok", "a"},
		"env:?link_prefix=app/":              {"ok", "db"},
		"env:?link_prefix=app/&files=true":   {"ok", "db"},
		"env:?prefix=A&link_prefix=pp-":      {"ok", "db"},
		"env:?prefix=A&link_prefix=pp-aws-s": {"ok", "ecret_access_key"},
	} {
		a := startAgent(t, vars, "--provider", provider)
		for _, name := range allowed {
			assert.Equal(t, "x", members(t, a.ask(t, "GET", getPath+name))["SecretString"], "%s %s", provider, name)
		}
		for _, name := range []string{"a", "b", "c", "d", "e"} {
			assert.NotContains(t, a.ask(t, "GET", getPath+name).body, "canary", "%s %s", provider, name)
		}
	}
	a := startAgent(t, vars, "--provider", "env:?link_prefix=app/")
	for _, name := range []string{"a", "c", "d", "e"} {
		assert.Equal(t, "AccessDeniedException", members(t, a.ask(t, "GET", getPath+name))["__type"], name)
	}
}

// --allow matches some names of a variable, and does not match others.
func TestAgentAllowChecksAllNamesOfAVariable(t *testing.T) {
	vars := []string{
		"APP_ORDERS_DB=x", "APP_ORDERS_ADMIN_ROOT=canary", "APP_USERS_A=canary", "APP_USERS_B=x", "APP_IN_FULL=x", "APP_ALIASED=x", "APP_X_ORDERS_SAME_END=x",
		"HUSH_NAMES={orders/ali_as: {env: ALIASED}, orders/same_end: {env: x/orders/same_end}}",
	}
	a := startAgent(t, vars, "--provider", "env:?prefix=APP_", "--allow", "orders/*", "--allow", "users/[^a]", "--allow", "in_full")
	for _, name := range []string{"orders/db", "orders/DB", "users/b", "in_full", "orders/ali_as", "orders/same_end"} {
		assert.Equal(t, "x", members(t, a.ask(t, "GET", getPath+name))["SecretString"], name)
	}
	for _, name := range []string{
		"orders/admin_root", "orders/admin-root", "orders/admin.root", "orders/admin/root", "users/A", "users/a", "users/_", "in/full",
	} {
		assert.Equal(t, "AccessDeniedException", members(t, a.ask(t, "GET", getPath+name))["__type"], name)
	}
	assert.NotContains(t, a.stopAndReadStderr(), "canary")
}

// Secrets Manager distinguishes names that are one variable of the environment.
func TestAgentAllowDependsOnTheStore(t *testing.T) {
	store, vars := startStore(t)
	store.Put("orders/my-db", []byte("x"))
	vars = append(vars, "APP_ORDERS_ADMIN_ROOT=canary", "HUSH_CACHE_TTL=0")
	a := startAgent(t, vars, "--provider", "direct", "--provider", "env:?prefix=APP_", "--allow", "orders/*")
	assert.Equal(t, "x", members(t, a.ask(t, "GET", getPath+"orders/my-db"))["SecretString"])
	assert.Equal(t, "AccessDeniedException", members(t, a.ask(t, "GET", getPath+"orders/admin-root"))["__type"])
}

func TestAgentReadsConfigFileInWorkingDirectory(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "hush.yaml"), []byte("providers: ['env:?prefix=APP_']\n"), 0o600))
	a := startAgentIn(t, dir, []string{"APP_DB=x"})
	assert.Equal(t, "x", members(t, a.ask(t, "GET", getPath+"db"))["SecretString"])
}
