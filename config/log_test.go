package config_test

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/config"
	"github.com/hush-secrets/hush/providertest"
)

// standardError returns the output on standard error while do runs.
func standardError(t *testing.T, do func()) string {
	t.Helper()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	before := os.Stderr
	os.Stderr = w
	defer func() { os.Stderr = before }()
	do()
	require.NoError(t, w.Close())
	text, err := io.ReadAll(r)
	require.NoError(t, err)
	return string(text)
}

func TestLogLevelWritesToStandardError(t *testing.T) {
	down, here := responds("down", hush.ErrUnavailable), responds("here", 0)
	for level, want := range map[string][]string{
		"": nil, "off": nil, "error": {"error"}, "warn": {"warn", "warn", "error"},
		"info": {"warn", "info", "warn", "error"}, "debug": {"warn", "info", "warn", "error"},
	} {
		text := standardError(t, func() {
			_, err := open(t, &config.Config{LogLevel: level}, down, here).Get(t.Context(), hush.Name("db"))
			require.NoError(t, err)
			_, err = open(t, &config.Config{LogLevel: level}, down).Get(t.Context(), hush.Name("db"))
			require.Error(t, err)
		})
		var levels []string
		for line := range strings.Lines(text) {
			var entry struct{ Level, TS, Msg, Secret, Provider, Latency string }
			require.NoError(t, json.Unmarshal([]byte(line), &entry), line)
			levels = append(levels, entry.Level)
			assert.Equal(t, map[bool]string{false: "secret call", true: "secret not resolved"}[entry.Level == "error"], entry.Msg)
			assert.Equal(t, "db", entry.Secret)
			_, err := time.Parse(time.RFC3339Nano, entry.TS)
			require.NoError(t, err)
			if entry.Latency != "" {
				_, err = time.ParseDuration(entry.Latency)
				require.NoError(t, err, "with its unit")
			}
		}
		assert.Equal(t, want, levels, "level %q", level)
		assert.NotContains(t, text, "from here")
	}
}

func TestLogLevelFiltersTheLogger(t *testing.T) {
	for _, c := range []struct {
		own  zapcore.Level
		also string
		want int
	}{
		{zap.DebugLevel, "", 2},
		{zap.DebugLevel, "warn", 1},
		{zap.DebugLevel, "off", 0},
		{zap.WarnLevel, "", 1},
		{zap.WarnLevel, "debug", 1},
		{zap.DebugLevel, "error", 0},
	} {
		core, logs := observer.New(c.own)
		said := standardError(t, func() {
			p := open(t, &config.Config{Logger: zap.New(core), LogLevel: c.also}, responds("down", hush.ErrUnavailable), responds("here", 0))
			_, err := p.Get(t.Context(), hush.Name("db"))
			require.NoError(t, err)
		})
		assert.Equal(t, c.want, logs.Len(), "%v", c)
		assert.Empty(t, said)
	}
}

func TestRotatedAndStaleSecretsAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.InfoLevel)
		var rotated, stale atomic.Int64
		store := &providertest.Map{}
		p := open(t, &config.Config{
			Logger: zap.New(core), Cache: cachettl.Options{
				OnRotate: func(hush.Ref, hush.Secret, hush.Secret) { rotated.Add(1) },
				OnStale:  func(hush.Ref, hush.Secret, error) { stale.Add(1) },
			},
		}, opens("memory", store))
		get := func() {
			_, err := p.Get(t.Context(), hush.Name("db"))
			require.NoError(t, err)
			time.Sleep(6 * time.Minute)
		}
		for _, value := range []string{"hunter2", "hunter3"} {
			store.Put("db", []byte(value))
			get()
		}
		store.Always(providertest.Step{Err: hush.ErrUnavailable})
		get()
		assert.EqualValues(t, 1, rotated.Load())
		assert.EqualValues(t, 1, stale.Load())
		entries := map[string]map[string]any{}
		for _, e := range logs.All() {
			entries[e.Level.String()+" "+e.Message] = e.ContextMap()
		}
		assert.Equal(t, map[string]any{"provider": "memory", "secret": "db", "version": "v2", "before": "v1"}, entries["info secret rotated"])
		assert.Equal(t, "v2", entries["warn secret served stale"]["version"])
		assert.Contains(t, entries["warn secret served stale"]["error"], "unavailable")
		assert.NotContains(t, fmt.Sprint(entries), "hunter")
	})
}
