package providertest_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/providertest"
)

func TestMapConforms(t *testing.T) {
	providertest.Run(t, func(*testing.T) providertest.Harness {
		m := &providertest.Map{}
		put := func(name string, value []byte) { m.Put(name, value) }
		return providertest.Harness{
			Provider: m, Put: put, Rotate: put, Deny: m.Deny,
			Break: func() func() { return m.Always(providertest.Step{Err: hush.ErrUnavailable}) },
			Hang:  func() func() { return m.Always(providertest.Step{Delay: time.Hour}) },
		}
	})
}

func TestStaticConforms(t *testing.T) {
	providertest.Run(t, func(*testing.T) providertest.Harness {
		secrets := map[string]string{}
		return providertest.Harness{
			// Static copies its map, so each read here sees a new one.
			Provider: hush.ProviderFunc(func(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
				return hush.Static(maps.Clone(secrets)).Get(ctx, ref)
			}),
			Put:    func(name string, value []byte) { secrets[name] = string(value) },
			Rotate: func(name string, value []byte) { secrets[name] = string(value) },
		}
	})
}

func TestMapFollowsItsScript(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m providertest.Map
		m.Put("db", []byte("held"))
		answer := hush.Secret{Value: hush.NewValue([]byte("scripted")), Source: "x"}
		m.Script(providertest.Step{Delay: time.Second, Err: hush.ErrThrottled}, providertest.Step{Secret: &answer})

		start := time.Now()
		_, err := m.Get(t.Context(), hush.Name("db"))
		require.ErrorIs(t, err, hush.ErrThrottled)
		assert.Equal(t, time.Second, time.Since(start))

		got, err := m.Get(t.Context(), hush.Name("db").Fresh())
		require.NoError(t, err)
		assert.Equal(t, "scripted", got.Value.Reveal())

		got, err = m.Get(t.Context(), hush.Name("db"))
		require.NoError(t, err)
		assert.Equal(t, "held", got.Value.Reveal())

		calls := m.Calls()
		require.Len(t, calls, 3)
		_, fresh := calls[1].Freshness()
		assert.True(t, fresh, "the calls keep their freshness")

		m.Delete("db")
		_, err = m.Get(t.Context(), hush.Name("db"))
		assert.ErrorIs(t, err, hush.ErrNotFound)
	})
}

// hiding wraps a cause that only part of the tree shows.
type hiding struct{ attempts []error }

func (hiding) Error() string                { return "nothing to see" }
func (h hiding) Attempts() []error          { return h.attempts }
func (hiding) String() string               { return "nothing" }
func (hiding) GoString() string             { return "nothing" }
func (hiding) MarshalText() ([]byte, error) { return nil, nil }

func TestLeaksWalksTheWholeTree(t *testing.T) {
	leak := errors.New("body: s3cret-canary")
	for name, err := range map[string]error{
		"itself":   leak,
		"wrapped":  hush.NewError("p", hush.Name("n"), hush.ErrDenied, fmt.Errorf("x: %w", leak)),
		"joined":   errors.Join(errors.New("fine"), leak),
		"attempts": hiding{attempts: []error{errors.New("fine"), leak}},
		"base64":   errors.New("czNjcmV0LWNhbmFyeQ=="),
		"hex":      errors.New("7333637265742d63616e617279"),
	} {
		assert.NotEmpty(t, providertest.Leaks(err, "s3cret-canary"), name)
	}
	assert.Empty(t, providertest.Leaks(errors.New("clean"), "s3cret-canary"))
	assert.Empty(t, providertest.Leaks(nil, "s3cret-canary"))
}

func ExampleMap() {
	var m providertest.Map
	m.Put("db/prod", []byte("hunter2"))
	secret, err := m.Get(context.Background(), hush.Name("db/prod"))
	fmt.Println(secret.Version, secret.Value.Len(), err)
	// Output: v1 7 <nil>
}
