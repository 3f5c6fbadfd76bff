package cachettl_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/providertest"
)

// The states that an entry can be in. If the entry has a secret, it is "one" of version
// v1. The store has "two" of version v2, and responds at once.
var states = map[string]struct {
	options cachettl.Options
	arrange func(t *testing.T, c *cachettl.Cache, m *providertest.Map)
}{
	"nothing": {arrange: func(_ *testing.T, _ *cachettl.Cache, m *providertest.Map) { m.Put("db", []byte("two")) }},
	"nothing, a fetch running": {arrange: func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
		m.Put("db", []byte("two"))
		m.Script(step{Delay: time.Second})
		go func() { _, _ = c.Get(t.Context(), db) }()
		synctest.Wait()
	}},
	"within the TTL": {arrange: func(t *testing.T, c *cachettl.Cache, m *providertest.Map) { cacheFor(t, c, m, ttl/2) }},
	"within StaleWhileRevalidate": {
		options: cachettl.Options{StaleWhileRevalidate: time.Hour},
		arrange: func(t *testing.T, c *cachettl.Cache, m *providertest.Map) { cacheFor(t, c, m, ttl) },
	},
	"within StaleIfError, in backoff": {
		options: cachettl.Options{StaleIfError: time.Hour},
		arrange: func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
			cacheFor(t, c, m, ttl)
			m.Script(step{Err: hush.ErrUnavailable})
			assert.True(t, isStale(t, c))
		},
	},
	"within StaleIfError, backoff over": {
		options: cachettl.Options{StaleIfError: time.Hour},
		arrange: func(t *testing.T, c *cachettl.Cache, m *providertest.Map) { cacheFor(t, c, m, ttl) },
	},
	"past all bounds": {
		options: cachettl.Options{StaleIfError: time.Minute, StaleWhileRevalidate: time.Minute},
		arrange: func(t *testing.T, c *cachettl.Cache, m *providertest.Map) { cacheFor(t, c, m, 2*ttl) },
	},
	"past Expires": {
		options: cachettl.Options{StaleIfError: time.Hour, StaleWhileRevalidate: time.Hour},
		arrange: func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
			m.Script(step{Secret: &hush.Secret{Value: hush.NewValue([]byte("one")), Version: "v1", Expires: time.Now().Add(time.Second)}})
			cacheFor(t, c, m, time.Second)
		},
	},
}

func cacheFor(t *testing.T, c *cachettl.Cache, m *providertest.Map, age time.Duration) {
	t.Helper()
	assert.Equal(t, "one", getText(t, c, db))
	m.Put("db", []byte("two"))
	time.Sleep(age)
}

// getCases has for each state and each kind of Get the result, and whether the calls of
// the store are fresh. A "~" marks a stale result.
var getCases = map[string]map[string]struct {
	result string
	calls  []bool
}{
	"nothing": {
		"plain": {"two", []bool{false}}, "newer than v1": {"two", []bool{true}},
		"newer than v0": {"two", []bool{true}}, "fresh": {"two", []bool{true}},
	},
	"nothing, a fetch running": {
		"plain": {"two", nil}, "newer than v1": {"two", nil},
		"newer than v0": {"two", nil}, "fresh": {"two", []bool{true}},
	},
	"within the TTL": {
		"plain": {"one", nil}, "newer than v1": {"two", []bool{true}},
		"newer than v0": {"one", nil}, "fresh": {"two", []bool{true}},
	},
	"within StaleWhileRevalidate": {
		"plain": {"one~", []bool{false}}, "newer than v1": {"two", []bool{true}},
		"newer than v0": {"two", []bool{true}}, "fresh": {"two", []bool{true}},
	},
	"within StaleIfError, in backoff": {
		"plain": {"one~", nil}, "newer than v1": {"two", []bool{true}},
		"newer than v0": {"two", []bool{true}}, "fresh": {"two", []bool{true}},
	},
	"within StaleIfError, backoff over": {
		"plain": {"two", []bool{false}}, "newer than v1": {"two", []bool{true}},
		"newer than v0": {"two", []bool{true}}, "fresh": {"two", []bool{true}},
	},
	"past all bounds": {
		"plain": {"two", []bool{false}}, "newer than v1": {"two", []bool{true}},
		"newer than v0": {"two", []bool{true}}, "fresh": {"two", []bool{true}},
	},
	"past Expires": {
		"plain": {"two", []bool{false}}, "newer than v1": {"two", []bool{true}},
		"newer than v0": {"two", []bool{true}}, "fresh": {"two", []bool{true}},
	},
}

func TestGetInEachState(t *testing.T) {
	requests := map[string]hush.Ref{
		"plain": db, "newer than v1": db.NewerThan(hush.Secret{Version: "v1"}),
		"newer than v0": db.NewerThan(hush.Secret{Version: "v0"}), "fresh": db.Fresh(),
	}
	require.Len(t, getCases, len(states))
	for stateName, state := range states {
		for kind, ref := range requests {
			t.Run(stateName+"/"+kind, func(t *testing.T) {
				want, ok := getCases[stateName][kind]
				require.True(t, ok, "a case without an expectation")
				withCache(t, &state.options, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
					state.arrange(t, c, m)
					before := len(m.Calls())
					assert.Equal(t, want.result, resultText(c.Get(t.Context(), ref)))
					synctest.Wait()
					assert.ElementsMatch(t, want.calls, freshCalls(m)[before:])

					done, cancel := context.WithCancel(t.Context())
					cancel()
					_, err := c.Get(done, ref)
					assert.ErrorIs(t, err, context.Canceled, "a context that is done is an error in every state")
				})
			})
		}
	}
}

// resultText returns the text of a result.
func resultText(secret hush.Secret, err error) string {
	switch {
	case err != nil:
		return hush.ClassOf(err).Error()
	case secret.Stale:
		return secret.Value.Reveal() + "~"
	}
	return secret.Value.Reveal()
}

// fetchCases has for each result of a fetch, while "one" is past its TTL and within
// StaleIfError: the results of a plain and of a fresh Get, and the results of later
// Gets during an outage, at once and one backoff step later.
var fetchCases = map[string]struct {
	step                      step
	plain, fresh, then, later string
}{
	"a secret":              {versionStep("v2", 2), "value of v2", "value of v2", "value of v2", "value of v2"},
	"a fallback":            {fallbackStep("spare"), "one~", "spare", "one~", "one~"},
	"a stale secret":        {step{Secret: &hush.Secret{Value: hush.NewValue([]byte("theirs")), Stale: true}}, "one~", "theirs~", "one~", "one~"},
	"a secret past Expires": {step{Secret: &hush.Secret{Value: hush.NewValue([]byte("late")), Expires: time.Unix(1, 0)}}, "late", "late", "unavailable", "unavailable"},
	"not found":             {step{Err: hush.ErrNotFound}, "not found", "not found", "unavailable", "unavailable"},
	"denied":                {step{Err: hush.ErrDenied}, "denied", "denied", "unavailable", "unavailable"},
	"unauthenticated":       {step{Err: hush.ErrUnauthenticated}, "unauthenticated", "unauthenticated", "one~", "one~"},
	"throttled":             {step{Err: hush.ErrThrottled}, "one~", "throttled", "one~", "one~"},
	"unavailable":           {step{Err: hush.ErrUnavailable}, "one~", "unavailable", "one~", "one~"},
	"refused":               {step{Err: hush.ErrRefused}, "one~", "refused", "one~", "one~"},
	"absent":                {step{Err: hush.ErrAbsent}, "one~", "absent", "one~", "one~"},
	"unsupported":           {step{Err: hush.ErrUnsupported}, "unsupported", "unsupported", "one~", "one~"},
	"an invalid ref":        {step{Err: hush.ErrInvalidRef}, "invalid reference", "invalid reference", "one~", "one~"},
	"a context's error":     {step{Err: context.Canceled}, "one~", "unavailable", "one~", "one~"},
	"an unknown failure":    {step{Err: assert.AnError}, "one~", "unavailable", "one~", "one~"},
}

func TestEachResultOfAFetch(t *testing.T) {
	for name, row := range fetchCases {
		for kind, ref := range map[string]hush.Ref{"plain": db, "fresh": db.Fresh()} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				withCache(t, &cachettl.Options{StaleIfError: time.Hour}, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
					m.Script(versionStep("v1", 1), row.step)
					first, err := c.Get(t.Context(), db)
					require.NoError(t, err)
					time.Sleep(ttl)
					want := map[string]string{"plain": row.plain, "fresh": row.fresh}[kind]
					assert.Equal(t, expandOne(want), resultText(c.Get(t.Context(), ref)))
					defer m.Always(step{Err: hush.ErrUnavailable})()
					assert.Equal(t, expandOne(row.then), resultText(c.Get(t.Context(), db)), "then")
					time.Sleep(time.Second)
					assert.Equal(t, expandOne(row.later), resultText(c.Get(t.Context(), db)), "a backoff step later")
					assert.Equal(t, "v1", first.Version)
				})
			})
		}
	}
}

// expandOne replaces "one~" of the table by the value in the store.
func expandOne(result string) string {
	if result == "one~" {
		return "value of v1~"
	}
	return result
}
