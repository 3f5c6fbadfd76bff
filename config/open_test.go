package config_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/chain"
	"github.com/hush-secrets/hush/config"
	"github.com/hush-secrets/hush/providertest"
)

// opens is a scheme that opens p for every URL.
func opens(name string, p hush.Provider) hush.Scheme {
	return hush.Scheme{Name: name, Open: func(context.Context, *url.URL) (hush.Provider, error) { return p, nil }}
}

// says is a scheme whose store answers every call alike: with class, or with a secret
// if class is zero.
func says(name string, class hush.Class) hush.Scheme {
	return opens(name, hush.ProviderFunc(func(_ context.Context, ref hush.Ref) (hush.Secret, error) {
		if class == 0 {
			return hush.Secret{Value: hush.NewValue([]byte("from " + name)), Version: "v1", Source: name}, nil
		}
		return hush.Secret{}, hush.NewError(name, ref, class, nil)
	}))
}

func front(s hush.Scheme, of string) hush.Scheme {
	s.Front = of
	return s
}

// links are the providers of the schemes, in their order.
func links(schemes ...hush.Scheme) []config.Store {
	all := make([]config.Store, len(schemes))
	for i, s := range schemes {
		all[i].URL = s.Name
	}
	return all
}

func open(t *testing.T, c *config.Config, schemes ...hush.Scheme) *config.Provider {
	t.Helper()
	if c.Providers == nil {
		c.Providers = links(schemes...)
	}
	p, err := config.Open(t.Context(), c, schemes...)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, p.Close()) })
	return p
}

// openFile loads and opens a file, and reports the mistakes of both.
func openFile(t *testing.T, path string, schemes ...hush.Scheme) (*config.Provider, error) {
	t.Helper()
	c, _ := config.Load(path)
	return config.Open(t.Context(), c, schemes...)
}

// assertConfig compares two Configs, wherever they come from.
func assertConfig(t *testing.T, want, got *config.Config, msg string) {
	t.Helper()
	assert.Equal(t, want.Plain(), got.Plain(), msg)
}

func TestConformance(t *testing.T) {
	for name, c := range map[string]config.Config{
		"cache":    {},
		"no cache": {CacheTTL: -1},
		"prefix":   {Providers: []config.Store{{URL: "memory", Prefix: "team/"}}},
	} {
		t.Run(name, func(t *testing.T) {
			providertest.Run(t, func(t *testing.T) providertest.Harness {
				store, c := &providertest.Map{}, c
				prefix := ""
				if len(c.Providers) > 0 {
					prefix = c.Providers[0].Prefix
				}
				put := func(name string, value []byte) { store.Put(prefix+name, value) }
				return providertest.Harness{
					Provider: open(t, &c, opens("memory", store)), Put: put, Rotate: put,
					Deny:  func(name string) { store.Deny(prefix + name) },
					Break: func() func() { return store.Always(providertest.Step{Err: hush.ErrUnavailable}) },
				}
			})
		})
	}
}

func TestCacheByDefault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &providertest.Map{}
		store.Put("db", []byte("hunter2"))
		p := open(t, &config.Config{}, opens("memory", store))
		get := func() (hush.Secret, error) { return p.Get(t.Context(), hush.Name("db")) }
		for range 3 {
			_, err := get()
			require.NoError(t, err)
		}
		assert.Len(t, store.Calls(), 1)
		time.Sleep(5*time.Minute + time.Second)
		_, err := get()
		require.NoError(t, err)
		assert.Len(t, store.Calls(), 2, "the default of ttl is 5m")

		store.Always(providertest.Step{Err: hush.ErrUnavailable})
		time.Sleep(time.Hour)
		secret, err := get()
		require.NoError(t, err)
		assert.True(t, secret.Stale)
		time.Sleep(10 * time.Minute)
		_, err = get()
		assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err), "the default of stale_if_error is 1h")
	})
}

func TestNoCache(t *testing.T) {
	store := &providertest.Map{}
	store.Put("db", []byte("hunter2"))
	p := open(t, &config.Config{CacheTTL: -1}, opens("memory", store))
	for range 3 {
		_, err := p.Get(t.Context(), hush.Name("db"))
		require.NoError(t, err)
	}
	assert.Len(t, store.Calls(), 3)
	assert.Nil(t, p.Cache())
	p.Forget()
	assert.NotNil(t, p.Chain())
}

func TestForget(t *testing.T) {
	store := &providertest.Map{}
	p := open(t, &config.Config{}, opens("memory", store))
	for _, forget := range [][]hush.Ref{nil, {hush.Name("db")}} {
		version := store.Put("db", []byte("hunter2"))
		p.Forget(forget...)
		secret, err := p.Get(t.Context(), hush.Name("db"))
		require.NoError(t, err)
		assert.Equal(t, version, secret.Version)
	}
}

// closing is a store that notes its end.
type closing struct {
	hush.Provider
	name string
	log  *[]string
	err  error
}

func (c closing) Close() error {
	*c.log = append(*c.log, c.name)
	return c.err
}

func TestClose(t *testing.T) {
	var log []string
	broken := errors.New("broken")
	a := opens("a", closing{hush.Static(map[string]string{"db": "x"}), "a", &log, broken})
	b := opens("b", closing{hush.Static(nil), "b", &log, nil})
	for _, ttl := range []time.Duration{-1, time.Minute} {
		log = nil
		p, err := config.Open(t.Context(), &config.Config{Providers: links(a, b), CacheTTL: ttl}, a, b)
		require.NoError(t, err)
		_, err = p.Get(t.Context(), hush.Name("db"))
		require.NoError(t, err)
		require.ErrorIs(t, p.Close(), broken)
		assert.Equal(t, []string{"b", "a"}, log)
		require.NoError(t, p.Close(), "the second time")
		assert.Len(t, log, 2)
		_, err = p.Get(t.Context(), hush.Name("db"))
		assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err))
		for _, result := range p.GetBatch(t.Context(), []hush.Ref{hush.Name("db"), hush.Name("x")}) {
			assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(result.Err))
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	known := []hush.Scheme{says("direct", 0), says("env", 0)}
	failing := hush.Scheme{Name: "failing", Open: func(context.Context, *url.URL) (hush.Provider, error) { return nil, errors.New("no good") }}
	for want, c := range map[string]struct {
		links   string
		names   map[string]map[string]string
		schemes []hush.Scheme
	}{
		"no providers; set HUSH_PROVIDERS, or write at least one under providers in a file": {schemes: known},
		`provider 1: unknown scheme "drect": did you mean "direct"? known: direct, env`:     {links: "drect:?a=b", schemes: known},
		`provider 2: unknown scheme "nowhere"; known: direct, env`:                          {links: "env nowhere", schemes: known},
		"provider 1: unknown scheme of 60 bytes; known: direct, env":                        {links: long("h", 60), schemes: known},
		`provider 1: unknown scheme "env"; known: none`:                                     {links: "env"},
		"provider 1: failing: no good":                                                      {links: "failing", schemes: []hush.Scheme{failing}},
		"provider 1: nothing: Open of the scheme returned nil":                              {links: "nothing", schemes: []hush.Scheme{opens("nothing", nil)}},
		`the program passes two schemes with the name "env"`:                                {links: "env", schemes: append(known, says("env", 0))},
		"the program passes a scheme without Name":                                          {links: "env", schemes: []hush.Scheme{{}}},
		"provider 2: env is also provider 1":                                                {links: "env env:", schemes: known},
		`names.db: unknown provider "irland": did you mean "ireland"? known: direct, env, ireland`: {
			links: "direct:?link_name=ireland", schemes: known, names: map[string]map[string]string{"db": {"irland": "x", "env": "y"}},
		},
	} {
		cfg := &config.Config{Names: c.names}
		for text := range strings.FieldsSeq(c.links) {
			cfg.Providers = append(cfg.Providers, config.Store{URL: text})
		}
		_, err := config.Open(t.Context(), cfg, c.schemes...)
		require.Error(t, err, want)
		assert.True(t, strings.HasPrefix(err.Error(), "config: "+want), "%s\nand not\n%s", err, want)
	}
	_, err := config.Open(t.Context(), nil, known...)
	assert.ErrorContains(t, err, "no providers")
}

func TestOpenTellsAllAtOnceAndClosesWhatItOpened(t *testing.T) {
	var log []string
	good := opens("good", closing{hush.Static(nil), "good", &log, nil})
	bad := hush.Scheme{Name: "bad", Open: func(context.Context, *url.URL) (hush.Provider, error) { return nil, errors.New("no good") }}
	path := write(t, "providers:\n  - good\n  - bad:\n  - bda\n  - good:?token=1\npolicy: x\nnames: {db: {gold: x}}\n")
	_, err := openFile(t, path, good, bad)
	require.Error(t, err)
	assert.Equal(t, strings.ReplaceAll(`:3:5: provider 2: bad: no good
:4:5: provider 3: unknown scheme "bda": did you mean "bad"? known: good, bad
:5:5: provider 4: parameter "token": the URL of a store must not contain credentials
:6:9: policy: must be any or outages
:7:20: names.db: unknown provider "gold": did you mean "good"? known: good, bad, bda`, "\n:", "\n"+path+":"), strings.TrimPrefix(err.Error(), path))
	assert.Equal(t, []string{"good"}, log)

	clearEnv(t)
	t.Setenv("HUSH_PROVIDERS", "good bda")
	t.Setenv("HUSH_CACHE_TLL", "1m")
	_, err = config.OpenEnv(t.Context(), good, bad)
	require.ErrorContains(t, err, "HUSH_PROVIDERS: provider 2: unknown scheme")
	require.ErrorContains(t, err, "HUSH_CACHE_TLL: unknown variable")
	t.Setenv("HUSH_CACHE_TLL", "")
	t.Setenv("HUSH_PROVIDERS", "good")
	p, err := config.OpenEnv(t.Context(), good, bad)
	require.NoError(t, err)
	assert.NoError(t, p.Close())
}

// What the scheme gets is the URL without what is the link's.
func TestOpenPassesTheURL(t *testing.T) {
	var got []string
	scheme := hush.Scheme{Name: "x", Open: func(_ context.Context, u *url.URL) (hush.Provider, error) {
		got = append(got, u.String())
		return hush.Static(nil), nil
	}}
	for _, text := range []string{"x", "x:", "x:?", "x:?link_name=a", "x://h:1/p?link_name=a&b=c&link_timeout=1s"} {
		open(t, &config.Config{Providers: []config.Store{{URL: text}}}, scheme)
	}
	assert.Equal(t, []string{"x:", "x:", "x:", "x:", "x://h:1/p?b=c"}, got)
}

func TestLinks(t *testing.T) {
	e, d := front(says("extension", hush.ErrRefused), "direct"), says("direct", 0)
	p := open(t, &config.Config{Providers: []config.Store{
		{URL: "direct:?a=b&link_name=first"}, {URL: "extension:", Name: "e1", Policy: config.PolicyOutages}, {URL: "extension:?x=y"}, {URL: "direct:?link_timeout=1s"}, {URL: "extension:?z=1", Name: "last"},
	}}, e, d)
	var got []config.OpenStore
	for _, l := range p.Stores() {
		assert.NotNil(t, l.Provider)
		l.Provider = nil
		got = append(got, l)
	}
	assert.Equal(t, []config.OpenStore{
		{Store: config.Store{URL: "direct:?a=b", Name: "first", Policy: config.PolicyAny}, Scheme: "direct"},
		{Store: config.Store{URL: "extension", Name: "e1", Policy: config.PolicyOutages}, Scheme: "extension", Front: "direct"},
		{Store: config.Store{URL: "extension:?x=y", Name: "extension", Policy: config.PolicyAny}, Scheme: "extension", Front: "direct"},
		{Store: config.Store{URL: "direct", Name: "direct", Timeout: time.Second, Policy: config.PolicyAny}, Scheme: "direct"},
		{Store: config.Store{URL: "extension:?z=1", Name: "last", Policy: config.PolicyAny}, Scheme: "extension"},
	}, got)
}

func TestFrontNeverDecides(t *testing.T) {
	e, d := front(says("extension", hush.ErrRefused), "direct"), says("direct", hush.ErrNotFound)
	_, err := open(t, &config.Config{}, e, d).Get(t.Context(), hush.Name("db"))
	assert.Equal(t, hush.ErrNotFound, hush.ClassOf(err))
	_, err = open(t, &config.Config{}, e, says("env", 0), d).Get(t.Context(), hush.Name("db"))
	require.NoError(t, err)
	_, err = open(t, &config.Config{}, e, says("env", hush.ErrNotFound), d).Get(t.Context(), hush.Name("db"))
	assert.Equal(t, hush.ErrRefused, hush.ClassOf(err), "not right before direct it is a store")
}

func TestSettingsReachTheChain(t *testing.T) {
	missing, down, here := says("missing", hush.ErrNotFound), says("down", hush.ErrUnavailable), says("here", 0)
	get := func(c *config.Config, schemes ...hush.Scheme) hush.Class {
		c.CacheTTL = -1
		_, err := open(t, c, schemes...).Get(t.Context(), hush.Name("db"))
		return hush.ClassOf(err)
	}
	assert.Zero(t, get(&config.Config{}, missing, here))
	assert.Zero(t, get(&config.Config{Policy: config.PolicyAny}, missing, here))
	assert.Equal(t, hush.ErrNotFound, get(&config.Config{Policy: config.PolicyOutages}, missing, here))
	assert.Zero(t, get(&config.Config{Policy: config.PolicyOutages}, down, here))
	assert.Equal(t, hush.ErrNotFound, get(&config.Config{Providers: []config.Store{{URL: "missing:?link_policy=outages"}, {URL: "here"}}}, missing, here))
	assert.Zero(t, get(&config.Config{Policy: config.PolicyOutages, Providers: []config.Store{{URL: "missing", Policy: config.PolicyAny}, {URL: "here"}}}, missing, here))

	for failures, want := range map[int]int{-1: 0, 2: 6} {
		told, skipped := 0, 0
		p := open(t, &config.Config{
			CacheTTL: -1, Breaker: chain.Breaker{Failures: failures, Wait: time.Hour},
			OnCall: func(_ context.Context, c chain.Call) {
				told++
				if c.Skipped {
					skipped++
				}
			},
		}, down, here)
		for range 8 {
			_, err := p.Get(t.Context(), hush.Name("db"))
			require.NoError(t, err)
		}
		assert.Equal(t, want, skipped, "failures: %d", failures)
		assert.Equal(t, 16, told)
	}
}

func hangs(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
	<-ctx.Done()
	return hush.Secret{}, hush.NewError("hang", ref, hush.ErrCanceled, ctx.Err())
}

func TestTimeoutOfALink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &config.Config{Providers: []config.Store{{URL: "hang", Timeout: time.Minute}, {URL: "here"}}, CacheTTL: -1}
		p := open(t, c, opens("hang", hush.ProviderFunc(hangs)), says("here", 0))
		start := time.Now()
		secret, err := p.Get(t.Context(), hush.Name("db"))
		require.NoError(t, err)
		assert.Equal(t, "here", secret.Source)
		assert.True(t, secret.FromFallback)
		assert.Equal(t, time.Minute, time.Since(start))
	})
}

func TestCloseEndsFetches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, &config.Config{}, opens("hang", hush.ProviderFunc(hangs)))
		start, ended := time.Now(), make(chan error)
		go func() {
			_, err := p.Get(context.Background(), hush.Name("db"))
			ended <- err
		}()
		synctest.Wait()
		require.NoError(t, p.Close())
		assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(<-ended))
		assert.Zero(t, time.Since(start))
	})
}
