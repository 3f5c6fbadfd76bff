package main_test

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDemo(t *testing.T) {
	t.Parallel()
	// The demo uses nothing of the user's AWS configuration.
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the demo called another server") }))
	defer other.Close()
	_, port, err := net.SplitHostPort(other.Listener.Addr().String())
	require.NoError(t, err)
	got := hush(t, []string{
		"AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=x", "AWS_SECRET_ACCESS_KEY=y", "AWS_ENDPOINT_URL=" + other.URL,
		"PARAMETERS_SECRETS_EXTENSION_HTTP_PORT=" + port, "AWS_TOKEN=t",
	}, "demo")
	assert.Zero(t, got.code, got.stdout+got.stderr)
	assert.Empty(t, got.stderr)
	for line := range strings.Lines(got.stdout) {
		assert.LessOrEqual(t, utf8.RuneCountInString(strings.TrimRight(line, "\n")), 80, line)
	}
	for _, words := range []string{"first read, SDK", "█", `"outcome":"unavailable"`, `"outcome":"absent"`, "Every step has the expected result"} {
		assert.Contains(t, got.stdout, words)
	}
}

func TestDemoAsData(t *testing.T) {
	t.Parallel()
	got := hush(t, nil, "demo", "--json")
	assert.Zero(t, got.code, got.stdout+got.stderr)
	var report struct {
		OK       bool
		Sections []struct {
			Steps []struct {
				Name, Source, Version string
				Took                  int64 `json:"took_ns"`
				OK                    bool
			}
		}
	}
	require.NoError(t, json.Unmarshal([]byte(got.stdout), &report))
	assert.True(t, report.OK)
	require.Len(t, report.Sections, 4)
	for _, section := range report.Sections {
		for _, step := range section.Steps {
			assert.True(t, step.OK, step.Name)
			assert.NotZero(t, step.Took, step.Name)
			assert.NotEmpty(t, step.Source, step.Name)
		}
	}
}
