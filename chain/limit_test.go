package chain_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/chain"
	"github.com/hush-secrets/hush/providertest"
)

// hangs is a link whose calls return only when their context ends.
func hangs(name string) chain.Link {
	m := &providertest.Map{}
	m.Always(providertest.Step{Delay: time.Hour})
	return chain.Link{Name: name, Provider: m}
}

func limited(l chain.Link, d time.Duration) chain.Link {
	l.Timeout = d
	return l
}

// requireNotCallersError checks that err does not look like the end of the caller's context.
func requireNotCallersError(t *testing.T, err error) {
	t.Helper()
	require.Error(t, err)
	failure, ok := errors.AsType[*chain.Failure](err)
	require.True(t, ok)
	for _, e := range append(failure.Attempts(), err) {
		for _, end := range []error{context.Canceled, context.DeadlineExceeded, hush.ErrCanceled} {
			assert.NotErrorIs(t, e, end)
		}
	}
}

func TestTimeoutIsNotCallersDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		_, err := get(t, limited(hangs("slow"), time.Second), limited(hangs("slower"), 2*time.Second))
		assert.Equal(t, 3*time.Second, time.Since(start))
		assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err))
		assert.ErrorContains(t, err, "slow: unavailable: slow took longer than its limit of 1s; slower: ")
		requireNotCallersError(t, err)

		got, err := get(t, limited(hangs("slow"), time.Second), returns("env", 0))
		require.NoError(t, err)
		assert.True(t, got.FromFallback)
	})
}

func TestContextErrorsOfLinksBecomeText(t *testing.T) {
	inner := func(class hush.Class, cause error) chain.Link {
		return linkFunc("inner", func(_ context.Context, ref hush.Ref) (hush.Secret, error) {
			return hush.Secret{}, hush.NewError("sdk", ref, class, cause)
		})
	}
	for _, test := range []struct {
		link chain.Link
		want hush.Class
		text string
	}{
		{inner(hush.ErrThrottled, fmt.Errorf("429, then %w", context.DeadlineExceeded)), hush.ErrThrottled, "throttled: 429, then context deadline exceeded"},
		{inner(hush.ErrUnavailable, context.Canceled), hush.ErrUnavailable, "unavailable: context canceled"},
		{inner(hush.ErrCanceled, context.Canceled), hush.ErrUnavailable, `unavailable: sdk: "db": canceled: context canceled`},
		{inner(hush.ErrDenied, hush.ErrCanceled), hush.ErrDenied, "denied: canceled"},
		{linkFunc("inner", func(context.Context, hush.Ref) (hush.Secret, error) {
			return hush.Secret{}, context.DeadlineExceeded
		}), hush.ErrUnavailable, "unavailable: context deadline exceeded"},
	} {
		t.Run(test.text, func(t *testing.T) {
			_, err := get(t, test.link)
			assert.Equal(t, test.want, hush.ClassOf(err))
			assert.EqualError(t, err, fmt.Sprintf(`chain: "db": %v: inner: %s`, test.want, test.text))
			requireNotCallersError(t, err)
		})
	}
}

func TestEachLinkGetsShareOfDeadline(t *testing.T) {
	type links = []chain.Link
	for _, test := range []struct {
		name  string
		links func() links  // made in the bubble
		want  time.Duration // until the env link returns, of 9 s
	}{
		{"each its share", func() links { return links{hangs("a"), hangs("b")} }, 6 * time.Second},
		{"what one leaves is shared", func() links { return links{returns("a", hush.ErrUnavailable), hangs("b")} }, 4500 * time.Millisecond},
		{"a shorter Timeout holds", func() links { return links{limited(hangs("a"), time.Second), hangs("b")} }, 5 * time.Second},
		{"a longer one does not", func() links { return links{limited(hangs("a"), 8*time.Second), hangs("b")} }, 6 * time.Second},
		{"fronts count", func() links { return links{front(hangs("a")), hangs("b")} }, 6 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 9*time.Second)
				defer cancel()
				start := time.Now()
				got, err := chain.New(append(test.links(), returns("env", 0)), nil).Get(ctx, hush.Name("db"))
				require.NoError(t, err)
				assert.Equal(t, "env", got.Source)
				assert.Equal(t, test.want, time.Since(start))
			})
		})
	}
}

func TestShareIsNotCallersDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		_, err := chain.New([]chain.Link{hangs("a"), returns("b", hush.ErrNotFound)}, nil).Get(ctx, hush.Name("db"))
		assert.EqualError(t, err, `chain: "db": unavailable: a: unavailable: `+
			`a, given its share of the caller's time, took longer than its limit of 1s; b: not found`)
		requireNotCallersError(t, err)
	})
}

func TestLastLinkGetsAllTimeLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 9*time.Second)
		defer cancel()
		start := time.Now()
		_, err := chain.New([]chain.Link{hangs("a"), hangs("b"), hangs("c")}, nil).Get(ctx, hush.Name("db"))
		assert.Equal(t, 9*time.Second, time.Since(start))
		assert.Equal(t, hush.ErrCanceled, hush.ClassOf(err))
		assert.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestNoShareWithoutDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Minute, cancel)
		start := time.Now()
		_, err := chain.New([]chain.Link{hangs("a"), returns("b", 0)}, nil).Get(ctx, hush.Name("db"))
		assert.Equal(t, time.Minute, time.Since(start))
		assert.ErrorIs(t, err, context.Canceled)
	})
}

// cuts is a link that ends the caller's context and then fails with class.
func cuts(cancel context.CancelFunc, class hush.Class, cause error) chain.Link {
	return linkFunc("cut", func(_ context.Context, ref hush.Ref) (hush.Secret, error) {
		cancel()
		if class == 0 {
			return hush.Secret{Value: hush.NewValue([]byte("just in time"))}, nil
		}
		return hush.Secret{}, hush.NewError("store", ref, class, cause)
	})
}

func TestEndOfCallersContextEndsLookup(t *testing.T) {
	own := context.DeadlineExceeded // a limit of the link's, at the same time
	for _, test := range []struct {
		name    string
		before  hush.Class
		returns hush.Class
		cause   error
		last    bool // no link is left to call
		want    hush.Class
	}{
		{"canceled", hush.ErrNotFound, hush.ErrCanceled, context.Canceled, false, hush.ErrCanceled},
		{"canceled, and does not say by whom", hush.ErrUnavailable, hush.ErrCanceled, nil, false, hush.ErrCanceled},
		{"canceled by its own limit", hush.ErrNotFound, hush.ErrCanceled, own, true, hush.ErrCanceled},
		{"an outage is kept", hush.ErrUnavailable, hush.ErrThrottled, context.Canceled, false, hush.ErrThrottled},
		{"an outage without the context", hush.ErrNotFound, hush.ErrUnavailable, nil, true, hush.ErrUnavailable},
		{"an outage by its own limit", hush.ErrNotFound, hush.ErrRefused, own, true, hush.ErrRefused},
		{"not found is not for all", hush.ErrNotFound, hush.ErrNotFound, nil, false, hush.ErrCanceled},
		{"denied is not for all", hush.ErrNotFound, hush.ErrDenied, nil, false, hush.ErrCanceled},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var after providertest.Map
			links := []chain.Link{returns("before", test.before), cuts(cancel, test.returns, test.cause)}
			if !test.last {
				links = append(links, chain.Link{Name: "after", Provider: &after})
			}
			_, err := chain.New(links, nil).Get(ctx, hush.Name("db"))
			assert.Equal(t, test.want, hush.ClassOf(err), "%v", err)
			assert.ErrorIs(t, err, context.Canceled)
			assert.NotErrorIs(t, err, context.DeadlineExceeded)
			assert.NotErrorIs(t, err, hush.ErrNotFound)
			assert.NotErrorIs(t, err, hush.ErrDenied)
			assert.ErrorContains(t, err, "context canceled")
			assert.Empty(t, after.Calls())
		})
	}
}

func TestSecretIsReturnedIfCallersContextEndsLate(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	got, err := chain.New([]chain.Link{cuts(cancel, 0, nil), returns("b", 0)}, nil).Get(ctx, hush.Name("db"))
	require.NoError(t, err, "the secret is returned")
	assert.Equal(t, "cut", got.Source)

	ctx, cancel = context.WithCancel(t.Context())
	_, err = chain.New([]chain.Link{returns("a", hush.ErrDenied), cuts(cancel, hush.ErrNotFound, nil)}, nil).Get(ctx, hush.Name("db"))
	assert.Equal(t, hush.ErrDenied, hush.ClassOf(err), "all links have answered")

	ctx, cancel = context.WithCancel(t.Context())
	_, err = chain.New([]chain.Link{cuts(cancel, hush.ErrInvalidRef, nil), returns("b", 0)}, nil).Get(ctx, hush.Name("db"))
	assert.Equal(t, hush.ErrInvalidRef, hush.ClassOf(err), "no store can have the secret")
}

func TestErrorNamesLinkThatWasNotCalled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	_, err := chain.New([]chain.Link{cuts(cancel, hush.ErrNotFound, nil), returns("env", 0)}, nil).Get(ctx, hush.Name("db"))
	assert.EqualError(t, err, `chain: "db": canceled: cut: not found; context canceled before env was called`)
}

func TestContextOfLinkEndsWithItsCall(t *testing.T) {
	ended := make(chan struct{})
	link := linkFunc("a", func(ctx context.Context, _ hush.Ref) (hush.Secret, error) {
		context.AfterFunc(ctx, func() { close(ended) })
		return hush.Secret{}, nil
	})
	_, err := get(t, limited(link, time.Hour))
	require.NoError(t, err)
	<-ended // or its timer would live on for an hour
}

// The FetchTimeout of a cache ends the context of the Get, but this means that the store took
// too long.
func TestFetchTimeoutIsNotCallersDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, logs, _ := watch(zap.DebugLevel)
		cache := cachettl.New(chain.New([]chain.Link{hangs("a"), hangs("b")}, o), time.Minute, &cachettl.Options{FetchTimeout: 5 * time.Second})
		defer cache.Close()
		_, err := cache.Get(t.Context(), hush.Name("db"))
		assert.Equal(t, down, hush.ClassOf(err))
		assert.Equal(t, []string{"warn a unavailable", "warn b unavailable", "error chain unavailable"}, brief(logs))
		for _, entry := range logs.All() {
			assert.NotContains(t, entry.ContextMap()["error"], "canceled")
		}
	})
}

func TestCauseOfCallersContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := hush.NewError("cachettl", hush.Name("db"), hush.ErrUnavailable, errors.New("no response within 5s"))
		get := func(links ...chain.Link) error {
			ctx, cancel := context.WithTimeoutCause(t.Context(), 5*time.Second, cause)
			defer cancel()
			_, err := chain.New(links, nil).Get(ctx, hush.Name("db"))
			requireNotCallersError(t, err)
			return err
		}
		assert.EqualError(t, get(hangs("a")), `chain: "db": unavailable: a: unavailable: no response within 5s`)

		slow := linkFunc("slow", func(context.Context, hush.Ref) (hush.Secret, error) {
			time.Sleep(6 * time.Second)
			return hush.Secret{}, hush.ErrNotFound
		})
		assert.EqualError(t, get(limited(slow, time.Second), returns("b", 0)),
			`chain: "db": unavailable: slow: not found; no response within 5s before b was called`)

		ctx, cancel := context.WithTimeoutCause(t.Context(), 5*time.Second, cause)
		defer cancel()
		<-ctx.Done()
		_, err := chain.New([]chain.Link{returns("a", 0)}, nil).Get(ctx, hush.Name("db"))
		assert.EqualError(t, err, `chain: "db": unavailable: no response within 5s`)
	})
}
