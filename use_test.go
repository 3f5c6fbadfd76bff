package hush_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/providertest"
)

const dbName = "db/prod"

// A login accepts one value and records the values that it received.
type login struct {
	accepts string
	tried   []string
}

func (l *login) try(s hush.Secret) error {
	l.tried = append(l.tried, s.Value.Reveal())
	if s.Value.Reveal() != l.accepts {
		return fmt.Errorf("login: %w", hush.ErrRejected)
	}
	return nil
}

// asks returns the freshness of each call: "plain", "newer" or "fresh".
func asks(calls []hush.Ref) (kinds []string) {
	for _, ref := range calls {
		switch than, fresh := ref.Freshness(); {
		case than != nil:
			kinds = append(kinds, "newer")
		case fresh:
			kinds = append(kinds, "fresh")
		default:
			kinds = append(kinds, "plain")
		}
	}
	return kinds
}

func TestUseOfAnAcceptedSecret(t *testing.T) {
	var m providertest.Map
	m.Put(dbName, []byte(`{"password":"a"}`))
	l := login{accepts: "a"}
	require.NoError(t, hush.Use(t.Context(), &m, hush.Ref{Name: dbName, Field: "password"}, l.try))
	assert.Equal(t, []string{"plain"}, asks(m.Calls()))
	assert.Equal(t, []string{"a"}, l.tried)
}

func TestUseReturnsOtherErrorsUnchanged(t *testing.T) {
	var m providertest.Map
	err := hush.Use(t.Context(), &m, hush.Name(dbName), func(hush.Secret) error { panic("never run") })
	assert.Equal(t, hush.ErrNotFound, hush.ClassOf(err))

	m.Put(dbName, []byte("a"))
	failure := errors.New("the network is down")
	err = hush.Use(t.Context(), &m, hush.Name(dbName), func(hush.Secret) error { return failure })
	assert.Equal(t, failure, err, "as it is")
	assert.Len(t, m.Calls(), 2)

	assert.PanicsWithValue(t, "mine", func() {
		_ = hush.Use(t.Context(), &m, hush.Name(dbName), func(hush.Secret) error { panic("mine") })
	})
}

// The store does not change. The test checks the reads and their times.
func TestUseReadsWithBackoffAndALastTime(t *testing.T) {
	for name, c := range map[string]struct {
		patience time.Duration
		deadline time.Duration
		at       []int // ms after the start, the plain one left out
	}{
		"three seconds":         {0, 0, []int{0, 100, 300, 700, 1200, 1700, 2200, 2700, 3000}},
		"shorter":               {400 * time.Millisecond, 0, []int{0, 100, 300, 400}},
		"none":                  {-1, 0, []int{0}},
		"the caller has longer": {400 * time.Millisecond, time.Hour, []int{0, 100, 300, 400}},
		"the caller has less":   {0, 800 * time.Millisecond, []int{0, 100, 300, 600}},
		"and keeps 500 ms":      {time.Minute, 2200 * time.Millisecond, []int{0, 100, 300, 700, 1200, 1700}},
	} {
		synctest.Test(t, func(t *testing.T) {
			var m providertest.Map
			m.Put(dbName, []byte("a"))
			ctx, cancel := t.Context(), func() {}
			if c.deadline > 0 {
				ctx, cancel = context.WithTimeout(ctx, c.deadline)
			}
			defer cancel()
			start, at := time.Now(), []int(nil)
			var kinds []string
			p := hush.ProviderFunc(func(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
				at = append(at, int(time.Since(start).Milliseconds()))
				kinds = append(kinds, asks([]hush.Ref{ref})...)
				return m.Get(ctx, ref)
			})
			l := login{accepts: "b"}
			err := hush.RetryPolicy{MaxWait: c.patience}.Use(ctx, p, hush.Name(dbName), l.try)
			assert.Equal(t, hush.ErrRejected, hush.ClassOf(err), name)
			assert.Equal(t, []string{"a"}, l.tried, "%s: once for each secret", name)
			assert.Equal(t, c.at, at[1:], name)
			assert.Equal(t, "plain", kinds[0], name)
			assert.Equal(t, "fresh", kinds[len(kinds)-1], "%s: the last must reach the store", name)
			for _, kind := range kinds[1 : len(kinds)-1] {
				assert.Equal(t, "newer", kind, name)
			}
			assert.ErrorContains(t, err, fmt.Sprintf("no other secret was available within %v", time.Duration(at[len(at)-1])*time.Millisecond))
		})
	}
}

func TestUseEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m providertest.Map
		m.Put(dbName, []byte("a"))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(250*time.Millisecond, cancel)
		start := time.Now()
		err := hush.Use(ctx, &m, hush.Name(dbName), (&login{}).try)
		assert.Equal(t, 250*time.Millisecond, time.Since(start))
		assert.Equal(t, hush.ErrRejected, hush.ClassOf(err), "the last error of fn")
		assert.ErrorIs(t, err, context.Canceled)
		assert.ErrorIs(t, err, hush.ErrCanceled)

		// During a read, and before fn returns.
		m.Always(providertest.Step{Delay: time.Second})
		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(1500*time.Millisecond, cancel)
		err = hush.Use(ctx, &m, hush.Name(dbName), (&login{}).try)
		assert.ErrorIs(t, err, context.Canceled)
		ctx, cancel = context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		err = hush.Use(ctx, &m, hush.Name(dbName), func(hush.Secret) error {
			<-ctx.Done()
			return hush.ErrRejected
		})
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, hush.ErrRejected, hush.ClassOf(err))
	})
}

// The last read takes place on time although the previous one hangs.
func TestUseMakesTheLastReadAfterOneThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m providertest.Map
		m.Put(dbName, []byte("a"))
		m.Script(providertest.Step{}, providertest.Step{Delay: time.Hour}, providertest.Step{Delay: time.Second})
		time.AfterFunc(3500*time.Millisecond, func() { m.Put(dbName, []byte("b")) })
		l := login{accepts: "b"}
		start := time.Now()
		require.NoError(t, hush.Use(t.Context(), &m, hush.Name(dbName), l.try))
		assert.Equal(t, 4*time.Second, time.Since(start), "the last one is waited for")
		assert.Equal(t, []string{"plain", "newer", "fresh"}, asks(m.Calls()))
	})
}

func TestUseStopsAtFinalErrors(t *testing.T) {
	for class, ends := range map[hush.Class]bool{
		hush.ErrNotFound: true, hush.ErrDenied: true, hush.ErrUnsupported: true, hush.ErrInvalidRef: true,
		hush.ErrUnavailable: false, hush.ErrThrottled: false, hush.ErrRefused: false, hush.ErrAbsent: false,
		hush.ErrUnauthenticated: false, hush.ErrCanceled: false,
	} {
		synctest.Test(t, func(t *testing.T) {
			var m providertest.Map
			m.Put(dbName, []byte("a"))
			l := login{accepts: "b"}
			err := hush.Use(t.Context(), &m, hush.Name(dbName), func(s hush.Secret) error {
				m.Always(providertest.Step{Err: hush.NewError("map", hush.Name(dbName), class, nil)})
				return l.try(s)
			})
			assert.Equal(t, hush.ErrRejected, hush.ClassOf(err))
			assert.ErrorIs(t, err, class, "the reason")
			assert.Equal(t, ends, len(m.Calls()) == 2, "%v: %d calls", class, len(m.Calls()))
			assert.Contains(t, err.Error(), class.Error())
		})
	}
}

func TestUseWaitsOutAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m providertest.Map
		m.Put(dbName, []byte("a"))
		down := providertest.Step{Err: hush.ErrUnavailable}
		m.Script(providertest.Step{}, down, down, down)
		l := login{accepts: "b"}
		require.NoError(t, hush.Use(t.Context(), &m, hush.Name(dbName), func(s hush.Secret) error {
			m.Put(dbName, []byte("b"))
			return l.try(s)
		}))
		assert.Equal(t, []string{"a", "b"}, l.tried)
	})
}

// Use ignores the same version, the same value of a store without versions, a stale
// secret, a fallback secret, and a secret that fn has run with.
func TestUseIgnoresSecretsThatAreNotNew(t *testing.T) {
	value := func(text, version string) hush.Secret {
		return hush.Secret{Value: hush.NewValue([]byte(text)), Version: version}
	}
	stale, fallback := value("b", "v2"), value("b", "v2")
	stale.Stale, fallback.FromFallback = true, true
	for name, c := range map[string]struct {
		first, then hush.Secret
		runs        int
	}{
		"same version":               {value("a", "v1"), value("a2", "v1"), 1},
		"other version":              {value("a", "v1"), value("a", "v2"), 2},
		"no versions, same value":    {value("a", ""), value("a", ""), 1},
		"no versions, other value":   {value("a", ""), value("b", ""), 2},
		"one version, same value":    {value("a", "v1"), value("a", ""), 1},
		"stale":                      {value("a", "v1"), stale, 1},
		"fallback":                   {value("a", "v1"), fallback, 1},
		"stale at first is used":     {stale, value("c", "v3"), 2},
		"back to the first, in turn": {value("a", "v1"), value("b", "v2"), 2},
	} {
		synctest.Test(t, func(t *testing.T) {
			calls, runs := 0, 0
			p := hush.ProviderFunc(func(context.Context, hush.Ref) (hush.Secret, error) {
				if calls++; calls%2 == 1 {
					return c.first, nil
				}
				return c.then, nil
			})
			err := hush.Use(t.Context(), p, hush.Name(dbName), func(hush.Secret) error {
				runs++
				return hush.ErrRejected
			})
			assert.ErrorIs(t, err, hush.ErrRejected, name)
			assert.Equal(t, c.runs, runs, name)
		})
	}
}

func TestUseDoesNotReadAVersionAgain(t *testing.T) {
	var m providertest.Map
	version := m.Put(dbName, []byte("a"))
	err := hush.RetryPolicy{Stages: []string{"AWSCURRENT"}}.Use(t.Context(), &m, hush.Ref{Name: dbName, Version: version}, (&login{}).try)
	assert.Equal(t, hush.ErrRejected, hush.ClassOf(err))
	assert.EqualError(t, err, `"db/prod?version=v1": rejected: login: rejected; the reference allows only this version`)
	assert.Len(t, m.Calls(), 1)
}

func TestUseReturnsTheErrorOfFnAndTheReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m providertest.Map
		m.Put(dbName, []byte("canary-4711"))
		mine := errors.New("FATAL: no")
		r := hush.RetryPolicy{Rejected: func(err error) bool { return errors.Is(err, mine) }}
		err := r.Use(t.Context(), &m, hush.Name(dbName), func(hush.Secret) error { return mine })
		assert.ErrorIs(t, err, mine)
		assert.EqualError(t, err, `"db/prod": rejected: FATAL: no; no other secret was available within 3s`)
		assert.Empty(t, providertest.Leaks(err, "canary-4711"))

		down := &hush.Error{Provider: "map", Class: hush.ErrThrottled}
		m.Script(providertest.Step{}, providertest.Step{Err: down})
		err = hush.RetryPolicy{MaxWait: -1, Rejected: r.Rejected}.Use(t.Context(), &m, hush.Name(dbName), func(hush.Secret) error { return mine })
		assert.ErrorIs(t, err, down, "the error of the last read")
	})
}

// TestStagesTakeAtMostMaxWait checks that a slow read of a stage does not extend MaxWait.
func TestStagesTakeAtMostMaxWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := hush.ProviderFunc(func(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
			if ref.Stage == "" {
				return hush.Secret{Value: hush.NewValue([]byte("p")), Version: "v"}, nil
			}
			<-ctx.Done()
			return hush.Secret{}, hush.NewError("p", ref, hush.ErrCanceled, ctx.Err())
		})
		start := time.Now()
		err := hush.RetryPolicy{Stages: []string{"A", "B"}}.Use(t.Context(), p, hush.Name(dbName), func(hush.Secret) error { return hush.ErrRejected })
		assert.ErrorIs(t, err, hush.ErrRejected)
		assert.Equal(t, 3*time.Second, time.Since(start))
	})
}
