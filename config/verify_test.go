package config_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/config"
	"github.com/hush-secrets/hush/env"
	"github.com/hush-secrets/hush/providertest"
	"github.com/hush-secrets/hush/vault"
	"github.com/hush-secrets/hush/vault/vaulttest"
)

func TestVerify(t *testing.T) {
	for text, want := range map[string]hush.Class{
		"found": 0, "not found": 0, "denied": 0, "throttled": 0, "refused": 0, "unsupported": 0,
		"unavailable": hush.ErrUnavailable, "unauthenticated": hush.ErrUnauthenticated, "absent": hush.ErrAbsent,
		"absent, not found": 0, "unavailable, not found": hush.ErrUnavailable, "not found, unauthenticated": hush.ErrUnauthenticated,
		"absent, absent": hush.ErrAbsent, "absent, unavailable": hush.ErrUnavailable,
		"unauthenticated, unavailable": hush.ErrUnauthenticated,
		"front unavailable, not found": 0, "front unavailable, unavailable": hush.ErrUnavailable,
		"front unavailable, absent": hush.ErrUnavailable, "front not found, absent": 0, "front absent, not found": 0,
		"front absent, absent": hush.ErrAbsent,
	} {
		t.Run(text, func(t *testing.T) {
			var schemes []hush.Scheme
			for i, word := range strings.Split(text, ", ") {
				word, isFront := strings.CutPrefix(word, "front ")
				s := responds(string(rune('a'+i)), classNamed(word))
				if isFront {
					s = frontOf(s, "b")
				}
				schemes = append(schemes, s)
			}
			p, err := config.Open(t.Context(), &config.Config{Providers: storesOf(schemes...), Verify: true}, schemes...)
			assert.Equal(t, want, hush.ClassOf(err), text)
			if err == nil {
				assert.NoError(t, p.Close())
			}
		})
	}
}

func classNamed(text string) hush.Class {
	for c := hush.ErrNotFound; c <= hush.ErrCanceled; c++ {
		if c.Error() == text {
			return c
		}
	}
	return 0
}

func TestVerifyCallsEachStoreOnceAndClosesThemOnFailure(t *testing.T) {
	var log []string
	store := &providertest.Map{}
	a := opens("a", closing{store, "a", &log, nil})
	c := &config.Config{Providers: []config.Store{{URL: "a", Prefix: "team/"}}, Verify: true}
	p, err := config.Open(t.Context(), c, a)
	require.NoError(t, err)
	assert.Equal(t, []string{"team/hush/probe"}, requested(store))
	require.NoError(t, p.Close())

	log = nil
	c.Providers = append(c.Providers, config.Store{URL: "down"})
	_, err = config.Open(t.Context(), c, a, responds("down", hush.ErrUnavailable))
	assert.EqualError(t, err, `config: provider "down": down: "hush/probe": unavailable`)
	assert.Equal(t, []string{"a"}, log)

	c.Verify = false
	_, err = config.Open(t.Context(), c, a, responds("down", hush.ErrUnavailable))
	require.NoError(t, err, "an outage does not fail Open")
	assert.Len(t, store.Calls(), 2, "Open calls no store")
}

func TestVerifyHasATimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := opens("hang", hush.ProviderFunc(func(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
			<-ctx.Done()
			return hush.Secret{}, hush.NewError("hang", ref, hush.ErrCanceled, ctx.Err())
		}))
		for timeout, want := range map[time.Duration]time.Duration{0: 10 * time.Second, time.Second: time.Second} {
			start := time.Now()
			_, err := config.Open(t.Context(), &config.Config{Providers: []config.Store{{URL: "hang", Timeout: timeout}}, Verify: true}, hang)
			assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err))
			assert.NotErrorIs(t, err, context.DeadlineExceeded, "only the deadline of the caller is DeadlineExceeded")
			assert.Equal(t, want, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := config.Open(ctx, &config.Config{Providers: storesOf(hang), Verify: true}, hang)
		assert.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestVerifyCallsAllStoresAtTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := func(name string) hush.Scheme {
			return opens(name, hush.ProviderFunc(func(_ context.Context, ref hush.Ref) (hush.Secret, error) {
				time.Sleep(time.Second)
				return hush.Secret{}, hush.NewError(name, ref, hush.ErrNotFound, nil)
			}))
		}
		schemes := []hush.Scheme{slow("a"), slow("b"), slow("c")}
		start := time.Now()
		_, err := config.Open(t.Context(), &config.Config{Providers: storesOf(schemes...), Verify: true}, schemes...)
		require.NoError(t, err)
		assert.Equal(t, time.Second, time.Since(start))
	})
}

// below is a store that has names only below one mount.
type below struct{ *providertest.Map }

func (below) VerifyName() string { return "database/hush/probe" }

func TestVerifyRequestsTheNameThatTheProviderPrefers(t *testing.T) {
	store := below{&providertest.Map{}}
	c := &config.Config{Providers: []config.Store{{URL: "store", Prefix: "database/creds/"}}, Verify: true}
	p := open(t, c, opens("store", store))
	assert.Equal(t, []string{"database/hush/probe"}, requested(store.Map))
	_, err := p.Stores()[0].Provider.Get(t.Context(), hush.Name("app"))
	require.Error(t, err)
	assert.Contains(t, requested(store.Map), "database/creds/app")

	store = below{&providertest.Map{}}
	c.Names = map[string]map[string]string{config.VerifyName: {"store": "mine"}}
	open(t, c, opens("store", store))
	assert.Equal(t, []string{"mine"}, requested(store.Map), "an entry in Names takes precedence")
}

// A Vault with leased secrets fails the check if it is down or refuses the token.
func TestVerifyOfLeasedSecrets(t *testing.T) {
	server, err := vaulttest.Start(nil)
	require.NoError(t, err)
	t.Cleanup(server.Close)
	for _, name := range []string{"VAULT_ADDR", "VAULT_NAMESPACE", "VAULT_CACERT"} {
		t.Setenv(name, "")
	}
	verify := func(token string) error {
		t.Setenv("VAULT_TOKEN", token)
		p, err := config.Open(t.Context(), &config.Config{
			Providers: []config.Store{{URL: "vault://" + server.Addr() + "?tls=false&mounts=database,aws", Prefix: "database/creds/"}}, Verify: true,
		}, vault.Scheme())
		if err == nil {
			assert.NoError(t, p.Close())
		}
		return err
	}
	require.NoError(t, verify(server.RootToken()))
	assert.Equal(t, 1, server.Calls(vaulttest.Call{Path: "database/hush/probe"}))
	assert.Equal(t, hush.ErrUnauthenticated, hush.ClassOf(verify("hvs.of-nobody")))
	server.Close()
	assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(verify(server.RootToken())))
}

// In the environment, VerifyName must not be the name of a variable of Hush.
func TestVerifyNameIsNotAVariable(t *testing.T) {
	for _, variable := range config.Variables() {
		t.Setenv(variable, "x")
	}
	_, err := env.New(nil).Get(t.Context(), hush.Name(config.VerifyName))
	assert.Equal(t, hush.ErrNotFound, hush.ClassOf(err))
}
