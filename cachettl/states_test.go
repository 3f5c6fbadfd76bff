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

// The states that an entry can be in. Each leaves "one", version v1, where it holds
// anything, and a store that has "two", version v2, and answers at once.
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

// cells says what a get of each kind does in each state: what it is answered, and
// whether the calls of the store that it makes are fresh ones. A "~" is Stale.
var getCases = map[string]map[string]struct {
	answer string
	calls  []bool
}{
	"nothing": {
		"plain": {"two", []bool{false}}, "newer than it": {"two", []bool{true}},
		"newer than another": {"two", []bool{true}}, "fresh": {"two", []bool{true}},
	},
	"nothing, a fetch running": {
		"plain": {"two", nil}, "newer than it": {"two", nil},
		"newer than another": {"two", nil}, "fresh": {"two", []bool{true}},
	},
	"within the TTL": {
		"plain": {"one", nil}, "newer than it": {"two", []bool{true}},
		"newer than another": {"one", nil}, "fresh": {"two", []bool{true}},
	},
	"within StaleWhileRevalidate": {
		"plain": {"one~", []bool{false}}, "newer than it": {"two", []bool{true}},
		"newer than another": {"two", []bool{true}}, "fresh": {"two", []bool{true}},
	},
	"within StaleIfError, in backoff": {
		"plain": {"one~", nil}, "newer than it": {"two", []bool{true}},
		"newer than another": {"two", []bool{true}}, "fresh": {"two", []bool{true}},
	},
	"within StaleIfError, backoff over": {
		"plain": {"two", []bool{false}}, "newer than it": {"two", []bool{true}},
		"newer than another": {"two", []bool{true}}, "fresh": {"two", []bool{true}},
	},
	"past all bounds": {
		"plain": {"two", []bool{false}}, "newer than it": {"two", []bool{true}},
		"newer than another": {"two", []bool{true}}, "fresh": {"two", []bool{true}},
	},
	"past Expires": {
		"plain": {"two", []bool{false}}, "newer than it": {"two", []bool{true}},
		"newer than another": {"two", []bool{true}}, "fresh": {"two", []bool{true}},
	},
}

func TestGetInEachState(t *testing.T) {
	questions := map[string]hush.Ref{
		"plain": db, "newer than it": db.NewerThan(hush.Secret{Version: "v1"}),
		"newer than another": db.NewerThan(hush.Secret{Version: "v0"}), "fresh": db.Fresh(),
	}
	require.Len(t, getCases, len(states))
	for held, state := range states {
		for asked, ref := range questions {
			t.Run(held+"/"+asked, func(t *testing.T) {
				want, ok := getCases[held][asked]
				require.True(t, ok, "a cell without a rule")
				withCache(t, &state.options, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
					state.arrange(t, c, m)
					before := len(m.Calls())
					assert.Equal(t, want.answer, resultText(c.Get(t.Context(), ref)))
					synctest.Wait()
					assert.ElementsMatch(t, want.calls, freshCalls(m)[before:])

					done, cancel := context.WithCancel(t.Context())
					cancel()
					_, err := c.Get(done, ref)
					assert.ErrorIs(t, err, context.Canceled, "a context that is done is an error in every cell")
				})
			})
		}
	}
}

// told is an answer in short.
func resultText(secret hush.Secret, err error) string {
	switch {
	case err != nil:
		return hush.ClassOf(err).Error()
	case secret.Stale:
		return secret.Value.Reveal() + "~"
	}
	return secret.Value.Reveal()
}

// answers says what becomes of each answer of the store while "one" is past its TTL
// and within StaleIfError: what those get who asked plainly and afresh, and what is
// then served while the store is down for an hour, and a backoff step later.
var answers = map[string]struct {
	step                       step
	plain, fresh, then, after1 string
}{
	"a secret":           {versionStep("v2", 2), "value of v2", "value of v2", "value of v2", "value of v2"},
	"a fallback":         {fallbackStep("spare"), "one~", "spare", "one~", "one~"},
	"a stale one":        {step{Secret: &hush.Secret{Value: hush.NewValue([]byte("theirs")), Stale: true}}, "one~", "theirs~", "one~", "one~"},
	"one past Expires":   {step{Secret: &hush.Secret{Value: hush.NewValue([]byte("late")), Expires: time.Unix(1, 0)}}, "late", "late", "unavailable", "unavailable"},
	"not found":          {step{Err: hush.ErrNotFound}, "not found", "not found", "unavailable", "unavailable"},
	"denied":             {step{Err: hush.ErrDenied}, "denied", "denied", "unavailable", "unavailable"},
	"unauthenticated":    {step{Err: hush.ErrUnauthenticated}, "unauthenticated", "unauthenticated", "one~", "one~"},
	"throttled":          {step{Err: hush.ErrThrottled}, "one~", "throttled", "one~", "one~"},
	"unavailable":        {step{Err: hush.ErrUnavailable}, "one~", "unavailable", "one~", "one~"},
	"refused":            {step{Err: hush.ErrRefused}, "one~", "refused", "one~", "one~"},
	"absent":             {step{Err: hush.ErrAbsent}, "one~", "absent", "one~", "one~"},
	"unsupported":        {step{Err: hush.ErrUnsupported}, "unsupported", "unsupported", "one~", "one~"},
	"an invalid ref":     {step{Err: hush.ErrInvalidRef}, "invalid reference", "invalid reference", "one~", "one~"},
	"a context's error":  {step{Err: context.Canceled}, "one~", "unavailable", "one~", "one~"},
	"an unknown failure": {step{Err: assert.AnError}, "one~", "unavailable", "one~", "one~"},
}

func TestEachResultOfAFetch(t *testing.T) {
	for name, row := range answers {
		for asked, ref := range map[string]hush.Ref{"plain": db, "fresh": db.Fresh()} {
			t.Run(name+"/"+asked, func(t *testing.T) {
				withCache(t, &cachettl.Options{StaleIfError: time.Hour}, func(t *testing.T, c *cachettl.Cache, m *providertest.Map) {
					m.Script(versionStep("v1", 1), row.step)
					first, err := c.Get(t.Context(), db)
					require.NoError(t, err)
					time.Sleep(ttl)
					want := map[string]string{"plain": row.plain, "fresh": row.fresh}[asked]
					assert.Equal(t, expandOne(want), resultText(c.Get(t.Context(), ref)))
					defer m.Always(step{Err: hush.ErrUnavailable})()
					assert.Equal(t, expandOne(row.then), resultText(c.Get(t.Context(), db)), "then")
					time.Sleep(time.Second)
					assert.Equal(t, expandOne(row.after1), resultText(c.Get(t.Context(), db)), "a step later")
					assert.Equal(t, "v1", first.Version)
				})
			})
		}
	}
}

// rename turns the table's word for what is held into what the store gave.
func expandOne(answer string) string {
	if answer == "one~" {
		return "value of v1~"
	}
	return answer
}
