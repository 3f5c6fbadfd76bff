package chain_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/chain"
	"github.com/hush-secrets/hush/providertest"
)

// returns is a link that fails every call with class, or returns a secret if class is zero.
func returns(name string, class hush.Class) chain.Link {
	return linkFunc(name, func(_ context.Context, ref hush.Ref) (hush.Secret, error) {
		if class == 0 {
			return hush.Secret{Value: hush.NewValue([]byte("from " + name)), Version: "v1", Source: "store"}, nil
		}
		return hush.Secret{}, hush.NewError("store", ref, class, nil)
	})
}

func linkFunc(name string, get hush.ProviderFunc) chain.Link {
	return chain.Link{Name: name, Provider: get}
}

func front(l chain.Link) chain.Link {
	l.Front = true
	return l
}

func get(t *testing.T, links ...chain.Link) (hush.Secret, error) {
	t.Helper()
	return chain.New(links, nil).Get(t.Context(), hush.Name("db"))
}

func TestConformance(t *testing.T) {
	refusing := front(returns("extension", hush.ErrRefused))
	for name, before := range map[string][]chain.Link{
		"alone":                 nil,
		"behind a failed front": {refusing},
		"behind what is not here": {
			front(returns("extension", hush.ErrAbsent)), returns("direct", hush.ErrAbsent), returns("env", hush.ErrNotFound),
		},
	} {
		t.Run(name, func(t *testing.T) {
			providertest.Run(t, func(*testing.T) providertest.Harness { return harness(before) })
		})
	}
}

func harness(before []chain.Link) providertest.Harness {
	m, logs := &providertest.Map{}, &bytes.Buffer{}
	core := zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.Lock(zapcore.AddSync(logs)), zap.DebugLevel)
	put := func(name string, value []byte) { m.Put(name, value) }
	links := slices.Concat(before, []chain.Link{{Name: "map", Provider: m}})
	return providertest.Harness{
		Provider: chain.New(links, &chain.Options{Logger: zap.New(core)}),
		Put:      put, Rotate: put, Deny: m.Deny, Logs: logs.String,
		Break: func() func() { return m.Always(providertest.Step{Err: hush.ErrUnavailable}) },
		Hang:  func() func() { return m.Always(providertest.Step{Delay: time.Hour}) },
	}
}

func TestGetReturnsFirstSecret(t *testing.T) {
	var first, second providertest.Map
	second.Put("db", []byte("second's"))
	second.Put("both", []byte("second's"))
	first.Put("both", []byte("first's"))
	c := chain.New([]chain.Link{{Name: "a", Provider: &first}, {Name: "b", Provider: &second}}, nil)

	got, err := c.Get(t.Context(), hush.Name("both"))
	require.NoError(t, err)
	assert.Equal(t, "first's", got.Value.Reveal())
	assert.Equal(t, "a", got.Source, "the link's name, not the provider's")
	assert.Empty(t, second.Calls(), "the lookup ends with the first secret")

	got, err = c.Get(t.Context(), hush.Name("db"))
	require.NoError(t, err)
	assert.Equal(t, "second's", got.Value.Reveal())
	assert.Equal(t, "b", got.Source)
	assert.Equal(t, "v1", got.Version, "the rest of the secret is unchanged")
}

func TestNewPanics(t *testing.T) {
	ok := returns("a", 0)
	for want, links := range map[string][]chain.Link{
		"chain: New needs at least one link":             {},
		"chain: link 2 has no Name":                      {ok, {Provider: ok.Provider}},
		`chain: link 2, "b", has no Provider`:            {ok, {Name: "b"}},
		`chain: two links have the name "a"`:             {ok, returns("b", 0), ok},
		`chain: two links have the name "a` + `\n` + `"`: {returns("a\n", 0), returns("a\n", 0)},
	} {
		t.Run(want, func(t *testing.T) {
			assert.PanicsWithValue(t, want, func() { chain.New(links, nil) })
		})
	}
}

func TestLinksAreCopied(t *testing.T) {
	links := []chain.Link{returns("a", 0)}
	c := chain.New(links, nil)
	links[0] = returns("b", hush.ErrDenied)
	got, err := c.Get(t.Context(), hush.Name("db"))
	require.NoError(t, err)
	assert.Equal(t, "a", got.Source)
}

func TestFieldIsSelectedAfterLookup(t *testing.T) {
	var first, second providertest.Map
	first.Put("db", []byte(`{"user":"app"}`))
	second.Put("db", []byte(`{"password":"wrong store"}`))
	c := chain.New([]chain.Link{{Name: "a", Provider: &first}, {Name: "b", Provider: &second}}, nil)

	got, err := c.Get(t.Context(), hush.Ref{Name: "db", Field: "user"})
	require.NoError(t, err)
	assert.Equal(t, "app", got.Value.Reveal())

	_, err = c.Get(t.Context(), hush.Ref{Name: "db", Field: "password"})
	assert.Equal(t, hush.ErrNotFound, hush.ClassOf(err))
	assert.ErrorContains(t, err, `"db#password"`)
	assert.Empty(t, second.Calls(), "a missing field does not change which store serves the secret")
	assert.Equal(t, []hush.Ref{hush.Name("db"), hush.Name("db")}, first.Calls())
}

func TestLinksReceiveFreshness(t *testing.T) {
	var m providertest.Map
	m.Put("db", []byte(`{"user":"app"}`))
	c := chain.New([]chain.Link{{Name: "a", Provider: &m}}, nil)
	versioned := hush.Secret{Version: "v1", Value: hush.NewValue([]byte("app"))}
	unversioned := hush.Secret{Value: hush.NewValue([]byte("app"))}
	whole, part := hush.Name("db"), hush.Ref{Name: "db", Field: "user"}
	for _, test := range []struct {
		name  string
		ref   hush.Ref
		fresh bool
		than  bool
	}{
		{"plain", part, false, false},
		{"fresh", part.Fresh(), true, false},
		{"newer than a version", part.NewerThan(versioned), true, true},
		{"newer than a value", whole.NewerThan(unversioned), true, true},
		// A cache behind the link would compare the field with the whole secret.
		{"newer than a part's value", part.NewerThan(unversioned), true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := c.Get(t.Context(), test.ref)
			require.NoError(t, err, test.name)
			calls := m.Calls()
			than, fresh := calls[len(calls)-1].Freshness()
			assert.Equal(t, test.fresh, fresh, test.name)
			assert.Equal(t, test.than, than != nil, test.name)
			assert.Empty(t, calls[len(calls)-1].Field, test.name)
		})
	}
}

func TestInvalidRefEndsLookup(t *testing.T) {
	var m providertest.Map
	after := chain.Link{Name: "after", Provider: &m}
	_, err := get(t, returns("a", hush.ErrUnavailable), returns("mapping", hush.ErrInvalidRef), after)
	assert.Equal(t, hush.ErrInvalidRef, hush.ClassOf(err))
	assert.NotErrorIs(t, err, hush.ErrUnavailable)
	assert.Empty(t, m.Calls())

	_, err = chain.New([]chain.Link{returns("trusting", 0)}, nil).Get(t.Context(), hush.Name("a\nb"))
	assert.Equal(t, hush.ErrInvalidRef, hush.ClassOf(err), "a malformed Ref reaches no link")
}

func TestPanicOfLinkIsPanicOfGet(t *testing.T) {
	bad := linkFunc("bad", func(context.Context, hush.Ref) (hush.Secret, error) { panic("a defect") })
	assert.PanicsWithValue(t, "a defect", func() { _, _ = get(t, bad, returns("b", 0)) })
}

func TestErrorListsAttempts(t *testing.T) {
	refused := errors.New("connection refused")
	direct := linkFunc("direct", func(_ context.Context, ref hush.Ref) (hush.Secret, error) {
		return hush.Secret{}, hush.NewError("sdk", ref, hush.ErrUnavailable, refused)
	})
	bare := linkFunc("bare", func(context.Context, hush.Ref) (hush.Secret, error) { return hush.Secret{}, hush.ErrDenied })
	alias := linkFunc("alias", func(context.Context, hush.Ref) (hush.Secret, error) {
		return hush.Secret{}, hush.NewError("sdk", hush.Name("prod/db"), hush.ErrNotFound, nil)
	})
	careless := linkFunc("careless", func(context.Context, hush.Ref) (hush.Secret, error) {
		var err *hush.Error
		return hush.Secret{}, err
	})
	foreign := linkFunc("foreign", func(context.Context, hush.Ref) (hush.Secret, error) { return hush.Secret{}, errors.New("no idea") })

	c := chain.New([]chain.Link{front(returns("extension", hush.ErrRefused)), direct, bare, alias, careless, foreign}, nil)
	_, err := c.Get(t.Context(), hush.Ref{Name: "db", Stage: "AWSPENDING", Field: "user"}.Fresh())
	assert.EqualError(t, err, `chain: "db?stage=AWSPENDING#user": unavailable: extension: refused; `+
		`direct: unavailable: connection refused; bare: denied; alias: not found: sdk: "prod/db": not found; careless: unavailable; foreign: unavailable: no idea`)

	failure, ok := errors.AsType[*chain.Failure](err)
	require.True(t, ok)
	attempts := failure.Attempts()
	require.Len(t, attempts, 6)
	asked := hush.Ref{Name: "db", Stage: "AWSPENDING"}
	for i, name := range []string{"extension", "direct", "bare", "alias", "careless", "foreign"} {
		attempt, ok := errors.AsType[*hush.Error](attempts[i])
		require.True(t, ok)
		assert.Equal(t, name, attempt.Provider)
		assert.Equal(t, asked, attempt.Ref, "without freshness")
	}
	assert.Same(t, attempts[1], failure.Unwrap())
	assert.ErrorIs(t, err, refused, "the deciding cause can be inspected")
	attempts[0] = nil
	assert.Error(t, failure.Attempts()[0], "Attempts is the caller's copy")
}
