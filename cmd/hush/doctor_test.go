package main_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/direct/directtest"
)

type doctorStore struct {
	Store, URL, Reached, Authenticated, Result, Chain, Error, Advice string
	FrontFor                                                         string `json:"front_for"`
	Tries, Failed                                                    int
	P50                                                              int64 `json:"p50_ns"`
	Max                                                              int64 `json:"max_ns"`
	OK                                                               bool
}

type doctorReport struct {
	OK        bool
	Exit      int
	Reference string
	Given     bool
	Platforms []struct {
		Name     string
		Evidence []string
	}
	Stores   []doctorStore
	Result   string
	Error    string
	Source   string
	Fallback bool
}

// doctor runs hush doctor with these providers and args.
func doctor(t *testing.T, vars []string, providers string, args ...string) (doctorReport, result) {
	t.Helper()
	all := []string{"doctor", "--json", "--tries", "3"}
	for provider := range strings.FieldsSeq(providers) {
		all = append(all, "--provider", provider)
	}
	got := hush(t, vars, append(all, args...)...)
	var report doctorReport
	require.NoError(t, json.Unmarshal([]byte(got.stdout), &report), "%s%s", got.stdout, got.stderr)
	assert.Equal(t, got.code, report.Exit)
	assert.Equal(t, got.code == 0, report.OK)
	for _, secret := range []string{"canary", directtest.SecretAccessKey} {
		assert.NotContains(t, got.stdout+got.stderr, secret)
	}
	return report, got
}

func TestDoctorReportsHealthyStores(t *testing.T) {
	store, vars := startStore(t)
	vars = append(vars, "DB_PROD=canary")
	report, got := doctor(t, vars, "extension direct:?link_name=sm env")
	assert.Zero(t, got.code, got.stderr)
	assert.Empty(t, got.stderr)
	assert.Equal(t, "hush/probe", report.Reference)
	assert.False(t, report.Given)
	assert.Equal(t, "not found", report.Result)
	require.Len(t, report.Stores, 3)
	extension, direct, env := report.Stores[0], report.Stores[1], report.Stores[2]
	assert.Equal(t, []string{"absent", "front", "sm"}, []string{extension.Result, extension.Chain, extension.FrontFor})
	assert.Equal(t, []string{"yes", "yes", "not found", "next"}, []string{direct.Reached, direct.Authenticated, direct.Result, direct.Chain})
	assert.Equal(t, []string{"yes", "none", "not found", "end"}, []string{env.Reached, env.Authenticated, env.Result, env.Chain})
	assert.Equal(t, 3, direct.Tries)
	assert.Positive(t, direct.P50)
	assert.GreaterOrEqual(t, direct.Max, direct.P50)
	assert.Empty(t, direct.Advice)
	assert.Equal(t, 3, store.Calls(directtest.Call{Name: "hush/probe"}))

	report, got = doctor(t, vars, "direct env", "hush://db/prod")
	assert.Zero(t, got.code, got.stderr)
	assert.Equal(t, "a secret", report.Result)
	assert.Equal(t, "env", report.Source)
	assert.False(t, report.Fallback)
	assert.Equal(t, "return", report.Stores[1].Chain)
	assert.Equal(t, []string{"not found", "next", ""}, []string{report.Stores[0].Result, report.Stores[0].Chain, report.Stores[0].Advice})
}

func TestDoctorWarnsOfUnknownVariables(t *testing.T) {
	vars := []string{"HUSH_VERSION=1.2.3", "HUSH_HOME=/canary"}
	got := hush(t, vars, "doctor", "--provider", "env")
	assert.Zero(t, got.code, got.stderr)
	for _, name := range []string{"HUSH_HOME", "HUSH_VERSION"} {
		assert.Contains(t, got.stdout, `warning: unknown variable "`+name+`" is ignored`)
	}
	assert.NotContains(t, got.stdout, "canary")
	assert.NotContains(t, got.stdout, "HUSH_VERIFY", "doctor sets it")
	var report struct{ Warnings []string }
	require.NoError(t, json.Unmarshal([]byte(hush(t, vars, "doctor", "--json", "--provider", "env").stdout), &report))
	assert.Len(t, report.Warnings, 2)
}

func TestDoctorSelectsField(t *testing.T) {
	store, vars := startStore(t)
	store.Put("db", []byte(`{"user":"app","inner":{"password":"canary"}}`))
	vars = append(vars, "DB=canary", "HUSH_CACHE_TTL=0s")
	for ref, lacks := range map[string]string{
		"db#user": "", "db#/inner/password": "", "db#nope": `direct: not found: no field "nope"`,
	} {
		report, got := doctor(t, vars, "direct env", ref)
		assert.Equal(t, []string{"a secret", "return"}, []string{report.Stores[0].Result, report.Stores[0].Chain}, ref)
		assert.Empty(t, report.Stores[0].Advice, ref)
		assert.Equal(t, lacks, report.Error, ref)
		if lacks == "" {
			assert.Zero(t, got.code, "%s: %s", ref, got.stderr)
			assert.Equal(t, []string{"a secret", "direct"}, []string{report.Result, report.Source}, ref)
			continue
		}
		assert.Equal(t, 3, got.code)
		assert.Equal(t, "hush: all stores together: "+lacks+"\n", got.stderr)
		assert.Equal(t, "not found", report.Result)
		table := hush(t, vars, "doctor", "--provider", "direct", ref)
		assert.Contains(t, table.stdout, "all stores together: "+lacks+"\n")
	}
}

func TestDoctorTable(t *testing.T) {
	store, vars := startStore(t)
	restore := store.Break()
	defer restore()
	got := hush(t, append(vars, "DB_PROD=canary"), "doctor", "--provider", "direct", "--provider", "env", "db/prod")
	assert.Equal(t, 1, got.code)
	for _, words := range []string{
		"requested secret: \"db/prod\"\n", "STORE", "AUTHENTICATED", "direct: unavailable: ", "what to do: check the region",
		"all stores together: env has the secret, as a fallback for a store that failed",
	} {
		assert.Contains(t, got.stdout, words)
	}
	assert.Regexp(t, `(?m)^direct +no +unknown +\S+ +\S+ +unavailable +fallback$`, got.stdout)
	assert.Regexp(t, `(?m)^env +yes +none +\S+ +\S+ +a secret +return$`, got.stdout)
	assert.Contains(t, got.stderr, "1 of 2 stores failed; the others are enough")
	assert.NotContains(t, got.stdout+got.stderr, "canary")
}

func TestDoctorExitStatus(t *testing.T) {
	store, vars := startStore(t)
	store.Put("here", []byte("canary"))
	store.Deny("denied")
	for _, c := range []struct {
		providers, ref string
		fault          func() func()
		code           int
	}{
		{"direct", "here", nil, 0},
		{"direct", "", nil, 0},
		{"direct", "missing", nil, 3},
		{"direct", "denied", nil, 4},
		{"direct", "here", func() func() { return store.Fail(directtest.Failure{Code: "ExpiredTokenException"}) }, 5},
		{"direct", "", func() func() { return store.Fail(directtest.Failure{Code: "ThrottlingException"}) }, 6},
		{"direct", "", store.Break, 7},
		{"direct env", "", store.Break, 7},
		{"extension", "", nil, 9},
		{"env", "here?version=1", nil, 10},
		{"direct env", "denied", nil, 4},
	} {
		t.Run(c.providers+" "+c.ref, func(t *testing.T) {
			restore := func() {}
			if c.fault != nil {
				restore = c.fault()
			}
			var args []string
			if c.ref != "" {
				args = []string{c.ref}
			}
			_, got := doctor(t, vars, c.providers, args...)
			assert.Equal(t, c.code, got.code, "%s %s: %s", c.providers, c.ref, got.stderr)
			restore()
		})
	}
	for _, args := range [][]string{
		{"a", "b"},
		{"a\nb"},
		{"--tries", "0"},
		{"--tries", "101"},
		{"--timeout", "0s"},
		{"--provider", "nope"},
		{"--provider", "vault://u:canary@host"},
	} {
		got := hush(t, vars, append([]string{"doctor"}, args...)...)
		assert.Equal(t, 2, got.code, "%q: %s", args, got.stderr)
		assert.NotContains(t, got.stderr, "canary")
	}
}

// doctor itself reports which store fails.
func TestDoctorIgnoresVerify(t *testing.T) {
	store, vars := startStore(t)
	defer store.Break()()
	report, got := doctor(t, append(vars, "HUSH_VERIFY=true", "APP_X=1"), "direct env")
	assert.Equal(t, 7, got.code)
	assert.Equal(t, "unavailable", report.Stores[0].Result)
}

func TestDoctorTimesOutSlowStore(t *testing.T) {
	store, vars := startStore(t)
	defer store.Hang()()
	report, _ := doctor(t, vars, "direct", "--timeout", "100ms")
	assert.Equal(t, "unavailable", report.Stores[0].Result)
	assert.Contains(t, report.Stores[0].Error, "100ms")
	report, _ = doctor(t, vars, "direct:?link_timeout=80ms")
	assert.Contains(t, report.Stores[0].Error, "80ms", "the timeout of the store takes precedence")
}

func TestDoctorReportsFlakyStore(t *testing.T) {
	store, vars := startStore(t)
	store.Fail(directtest.Failure{Code: "ExpiredTokenException", Times: 1})
	report, got := doctor(t, vars, "direct")
	assert.Equal(t, 5, got.code)
	assert.Equal(t, "unauthenticated", report.Stores[0].Result)
	assert.Less(t, report.Stores[0].Failed, report.Stores[0].Tries)
}

func TestDoctorFollowsPolicy(t *testing.T) {
	store, vars := startStore(t)
	for policy, want := range map[string]string{"any": "next", "outages": "stop"} { // the store is not the last
		report, _ := doctor(t, append(vars, "HUSH_POLICY="+policy), "direct env")
		assert.Equal(t, want, report.Stores[0].Chain, policy)
		report, _ = doctor(t, vars, "direct:?link_policy="+policy+" env")
		assert.Equal(t, want, report.Stores[0].Chain, policy)
	}
	defer store.Break()()
	report, _ := doctor(t, append(vars, "HUSH_POLICY=outages"), "direct env")
	assert.Equal(t, "fallback", report.Stores[0].Chain)
}

func TestDoctorReportsPlatform(t *testing.T) {
	for variable, name := range map[string]string{
		"AWS_LAMBDA_RUNTIME_API": "Lambda", "GITHUB_ACTIONS": "CI",
		"ECS_CONTAINER_METADATA_URI_V4": "ECS", "KUBERNETES_SERVICE_HOST": "Kubernetes",
	} {
		report, _ := doctor(t, []string{variable + "=canary"}, "env")
		require.NotEmpty(t, report.Platforms)
		assert.Equal(t, name, report.Platforms[0].Name)
		assert.Contains(t, report.Platforms[0].Evidence, variable)
		got := hush(t, []string{variable + "=canary"}, "doctor", "--provider", "env")
		assert.Contains(t, got.stdout, "platform: "+name+" ("+variable)
		assert.NotContains(t, got.stdout, "canary")
	}
}

// The result of Secrets Manager decides, and the front is reported as failed.
func TestDoctorReportsDeadFront(t *testing.T) {
	store, vars := startStore(t)
	store.Put("here", []byte("canary"))
	vars = append(vars, "AWS_TOKEN=x", "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT="+closedPort(t))
	report, got := doctor(t, vars, "extension direct")
	assert.Equal(t, 1, got.code)
	assert.Equal(t, []string{"unavailable", "front"}, []string{report.Stores[0].Result, report.Stores[0].Chain})
	assert.False(t, report.Stores[0].OK)
	assert.Equal(t, "not found", report.Result)

	report, got = doctor(t, vars, "extension direct", "here")
	assert.Equal(t, 1, got.code)
	assert.Equal(t, "direct", report.Source)
	assert.False(t, report.Fallback)
}
