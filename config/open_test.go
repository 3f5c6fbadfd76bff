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

// opens returns a scheme that opens p for every URL.
func opens(name string, p hush.Provider) hush.Scheme {
	return hush.Scheme{Name: name, Open: func(context.Context, *url.URL) (hush.Provider, error) { return p, nil }}
}

// responds returns a scheme whose store fails each call with class, or returns a secret if
// class is zero.
func responds(name string, class hush.Class) hush.Scheme {
	return opens(name, hush.ProviderFunc(func(_ context.Context, ref hush.Ref) (hush.Secret, error) {
		if class == 0 {
			return hush.Secret{Value: hush.NewValue([]byte("from " + name)), Version: "v1", Source: name}, nil
		}
		return hush.Secret{}, hush.NewError(name, ref, class, nil)
	}))
}

func frontOf(s hush.Scheme, of string) hush.Scheme {
	s.Front = of
	return s
}

// storesOf returns one Store for each of schemes.
func storesOf(schemes ...hush.Scheme) []config.Store {
	all := make([]config.Store, len(schemes))
	for i, s := range schemes {
		all[i].URL = s.Name
	}
	return all
}

func open(t *testing.T, c *config.Config, schemes ...hush.Scheme) *config.Provider {
	t.Helper()
	if c.Providers == nil {
		c.Providers = storesOf(schemes...)
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

// closing is a store that records Close.
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

func TestOpenReportsMistakes(t *testing.T) {
	known := []hush.Scheme{responds("direct", 0), responds("env", 0)}
	failing := hush.Scheme{Name: "failing", Open: func(context.Context, *url.URL) (hush.Provider, error) { return nil, errors.New("no good") }}
	for want, c := range map[string]struct {
		links   string
		names   map[string]map[string]string
		schemes []hush.Scheme
	}{
		"no providers; set HUSH_PROVIDERS, or list them under providers in a configuration file": {schemes: known},
		`provider 1: unknown scheme "drect": did you mean "direct"? known: direct, env`:          {links: "drect:?a=b", schemes: known},
		`provider 2: unknown scheme "nowhere"; known: direct, env`:                               {links: "env nowhere", schemes: known},
		"provider 1: unknown scheme of 60 bytes; known: direct, env":                             {links: long("h", 60), schemes: known},
		`provider 1: unknown scheme "env"; known: none`:                                          {links: "env"},
		"provider 1: failing: no good":                                                           {links: "failing", schemes: []hush.Scheme{failing}},
		"provider 1: nothing: Open of the scheme returned nil":                                   {links: "nothing", schemes: []hush.Scheme{opens("nothing", nil)}},
		`the program passes two schemes with the name "env"`:                                     {links: "env", schemes: append(known, responds("env", 0))},
		"the program passes a scheme without Name":                                               {links: "env", schemes: []hush.Scheme{{}}},
		"provider 2: env is also provider 1":                                                     {links: "env env:", schemes: known},
		`names.db: unknown provider "irland": did you mean "ireland"? known: direct, env, ireland`: {
			links: "direct:?link_name=ireland", schemes: known, names: map[string]map[string]string{"db": {"irland": "x", "env": "y"}},
		},
	} {
		t.Run(want, func(t *testing.T) {
			cfg := &config.Config{Names: c.names}
			for text := range strings.FieldsSeq(c.links) {
				cfg.Providers = append(cfg.Providers, config.Store{URL: text})
			}
			_, err := config.Open(t.Context(), cfg, c.schemes...)
			require.Error(t, err, want)
			assert.True(t, strings.HasPrefix(err.Error(), "config: "+want), "got\n%s\nwant\n%s", err, want)
		})
	}
	_, err := config.Open(t.Context(), nil, known...)
	assert.ErrorContains(t, err, "no providers")
}

func TestOpenReportsAllMistakesAndClosesTheOpenStores(t *testing.T) {
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

func TestOpenPassesTheURLWithoutLinkParameters(t *testing.T) {
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

func TestStores(t *testing.T) {
	e, d := frontOf(responds("extension", hush.ErrRefused), "direct"), responds("direct", 0)
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

func TestAFrontNeverDecides(t *testing.T) {
	e, d := frontOf(responds("extension", hush.ErrRefused), "direct"), responds("direct", hush.ErrNotFound)
	_, err := open(t, &config.Config{}, e, d).Get(t.Context(), hush.Name("db"))
	assert.Equal(t, hush.ErrNotFound, hush.ClassOf(err))
	_, err = open(t, &config.Config{}, e, responds("env", 0), d).Get(t.Context(), hush.Name("db"))
	require.NoError(t, err)
	_, err = open(t, &config.Config{}, e, responds("env", hush.ErrNotFound), d).Get(t.Context(), hush.Name("db"))
	assert.Equal(t, hush.ErrRefused, hush.ClassOf(err), "extension is a store because direct does not follow it")
}

func TestPolicyAndBreakerReachTheChain(t *testing.T) {
	missing, down, here := responds("missing", hush.ErrNotFound), responds("down", hush.ErrUnavailable), responds("here", 0)
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
		calls, skipped := 0, 0
		p := open(t, &config.Config{
			CacheTTL: -1, Breaker: chain.Breaker{Failures: failures, Wait: time.Hour},
			OnCall: func(_ context.Context, c chain.Call) {
				calls++
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
		assert.Equal(t, 16, calls)
	}
}

func hangs(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
	<-ctx.Done()
	return hush.Secret{}, hush.NewError("hang", ref, hush.ErrCanceled, ctx.Err())
}

func TestTimeoutLimitsACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &config.Config{Providers: []config.Store{{URL: "hang", Timeout: time.Minute}, {URL: "here"}}, CacheTTL: -1}
		p := open(t, c, opens("hang", hush.ProviderFunc(hangs)), responds("here", 0))
		start := time.Now()
		secret, err := p.Get(t.Context(), hush.Name("db"))
		require.NoError(t, err)
		assert.Equal(t, "here", secret.Source)
		assert.True(t, secret.FromFallback)
		assert.Equal(t, time.Minute, time.Since(start))
	})
}
