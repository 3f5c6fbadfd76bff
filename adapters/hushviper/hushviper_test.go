package hushviper_test

import (
	"bytes"
	"context"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/adapters/hushviper"
	"github.com/hush-secrets/hush/providertest"
)

// settings is the configuration of a program.
type settings struct {
	DB struct {
		Host, User string
		Password   hush.Value
	}
	Stripe  *hush.Secret
	Listen  string
	Timeout time.Duration
}

// store returns a store with two secrets.
func store() *providertest.Map {
	var m providertest.Map
	m.Put("prod/orders/db", []byte(`{"username":"orders","password":"canary"}`))
	m.Put("prod/stripe", []byte("\x00canary\n"))
	return &m
}

// file returns a viper that has read the file.
func file(t *testing.T, options ...viper.Option) *viper.Viper {
	t.Helper()
	v := viper.NewWithOptions(options...)
	v.SetConfigFile("testdata/orders.yaml")
	require.NoError(t, v.ReadInConfig())
	return v
}

func TestUnmarshalResolvesReferences(t *testing.T) {
	for name, unmarshal := range map[string]func(*viper.Viper) func(any, ...viper.DecoderConfigOption) error{
		"Unmarshal":      func(v *viper.Viper) func(any, ...viper.DecoderConfigOption) error { return v.Unmarshal },
		"UnmarshalExact": func(v *viper.Viper) func(any, ...viper.DecoderConfigOption) error { return v.UnmarshalExact },
	} {
		t.Run(name, func(t *testing.T) {
			m, v := store(), file(t)
			var got settings
			require.NoError(t, unmarshal(v)(&got, hushviper.Resolve(t.Context(), m)))
			assert.Equal(t, "db.internal orders :8080 3s", fmt.Sprint(got.DB.Host, " ", got.DB.User, " ", got.Listen, " ", got.Timeout))
			assert.Equal(t, "canary", got.DB.Password.Reveal())
			assert.Equal(t, "\x00canary\n", got.Stripe.Value.Reveal())
			assert.Equal(t, "v1", got.Stripe.Version)
			assert.Len(t, m.Calls(), 2)
			assert.NotContains(t, fmt.Sprintf("%+v %+v", got, v.AllSettings()), "canary")

			var written bytes.Buffer
			require.NoError(t, v.WriteConfigTo(&written))
			assert.Contains(t, written.String(), "hush://prod/stripe")
		})
	}
}

func TestUnmarshalReadsEachSecretOnce(t *testing.T) {
	m, v := store(), viper.New()
	v.Set("list", []string{"hush://prod/orders/db#username", "hush://prod/orders/db#password", "plain"})
	v.Set("map", map[string]string{"a": "hush://prod/orders/db#password", "b": "hush://prod/orders/db"})
	var got struct {
		List []hush.Value
		Map  map[string]hush.Value
	}
	require.NoError(t, v.Unmarshal(&got, hushviper.Resolve(t.Context(), m)))
	assert.Equal(t, "orders canary plain", got.List[0].Reveal()+" "+got.List[1].Reveal()+" "+got.List[2].Reveal())
	assert.Equal(t, "canary", got.Map["a"].Reveal())
	assert.Equal(t, `{"username":"orders","password":"canary"}`, got.Map["b"].Reveal())
	assert.Len(t, m.Calls(), 1)
}

func TestVariablesOverrideTheFile(t *testing.T) {
	t.Setenv("APP_DB_PASSWORD", "from a laptop")
	m, v := store(), file(t)
	v.SetEnvPrefix("APP")
	require.NoError(t, v.BindEnv("db.password", "APP_DB_PASSWORD"))
	v.Set("stripe", hush.Secret{Version: "given"})
	var got settings
	require.NoError(t, v.Unmarshal(&got, hushviper.Resolve(t.Context(), m)))
	assert.Equal(t, "from a laptop", got.DB.Password.Reveal())
	assert.Equal(t, "given", got.Stripe.Version)
	assert.Empty(t, m.Calls())
}

func TestUnmarshalKey(t *testing.T) {
	var password hush.Value
	require.NoError(t, file(t).UnmarshalKey("db.password", &password, hushviper.Resolve(t.Context(), store())))
	assert.Equal(t, "canary", password.Reveal())
}

func TestUnmarshalAfterARotationReturnsTheNewSecret(t *testing.T) {
	m, v := store(), file(t)
	option := hushviper.Resolve(t.Context(), m)
	var got settings
	require.NoError(t, v.Unmarshal(&got, option))
	m.Put("prod/stripe", []byte("next"))
	require.NoError(t, v.Unmarshal(&got, option))
	assert.Equal(t, "next", got.Stripe.Value.Reveal())
}

func TestResolveKeepsOtherOptions(t *testing.T) {
	var plain, resolved mapstructure.Metadata
	metadata := func(m *mapstructure.Metadata) viper.DecoderConfigOption {
		return func(c *mapstructure.DecoderConfig) { c.Metadata = m }
	}
	var got struct{ Listen string }
	require.NoError(t, file(t).Unmarshal(&got, metadata(&plain)))
	require.NoError(t, file(t).Unmarshal(&got, metadata(&resolved), hushviper.Resolve(t.Context(), store())))
	assert.ElementsMatch(t, plain.Keys, resolved.Keys)
	assert.ElementsMatch(t, plain.Unused, resolved.Unused)
}

func TestResolveKeepsOtherHooks(t *testing.T) {
	upper := func(from, to reflect.Type, data any) (any, error) {
		if from.Kind() == reflect.String && to.Kind() == reflect.String {
			return "hooked", nil
		}
		return data, nil
	}
	for name, tc := range map[string]struct {
		v      *viper.Viper
		before []viper.DecoderConfigOption
		listen string
	}{
		"of the viper":       {v: file(t, viper.WithDecodeHook(upper)), listen: "hooked"},
		"of an option":       {v: file(t), before: []viper.DecoderConfigOption{viper.DecodeHook(upper)}, listen: "hooked"},
		"none":               {v: file(t), before: []viper.DecoderConfigOption{viper.DecodeHook(nil)}, listen: ":8080"},
		"with bound structs": {v: file(t, viper.ExperimentalBindStruct()), listen: ":8080"},
	} {
		t.Run(name, func(t *testing.T) {
			var got struct {
				DB     struct{ Password hush.Value }
				Listen string
			}
			require.NoError(t, tc.v.Unmarshal(&got, append(tc.before, hushviper.Resolve(t.Context(), store()))...))
			assert.Equal(t, "canary "+tc.listen, got.DB.Password.Reveal()+" "+got.Listen)
		})
	}
}

func TestUnmarshalReportsAllFailures(t *testing.T) {
	for name, tc := range map[string]struct {
		prepare func(*providertest.Map)
		class   hush.Class
	}{
		"missing":   {func(m *providertest.Map) { m.Delete("prod/stripe") }, hush.ErrNotFound},
		"denied":    {func(m *providertest.Map) { m.Deny("prod/stripe") }, hush.ErrDenied},
		"an outage": {func(m *providertest.Map) { m.Always(providertest.Step{Err: hush.ErrThrottled}) }, hush.ErrThrottled},
	} {
		t.Run(name, func(t *testing.T) {
			m, v := store(), file(t)
			m.Delete("prod/orders/db")
			tc.prepare(m)
			var got settings
			err := v.Unmarshal(&got, hushviper.Resolve(t.Context(), m))
			assert.Equal(t, tc.class, hush.ClassOf(err))
			assert.ErrorIs(t, err, tc.class)
			if tc.class != hush.ErrThrottled { // a bare class has no name
				assert.ErrorContains(t, err, `"prod/orders/db#password"`)
				assert.ErrorContains(t, err, `"prod/stripe"`)
			}
			assert.NotContains(t, err.Error(), "canary")
			assert.Empty(t, got, "all or nothing")
		})
	}
}

func TestUnmarshalReportsMistakesBeforeItCallsAStore(t *testing.T) {
	for name, tc := range map[string]struct {
		key   string
		value any
		class hush.Class
		text  string
	}{
		"a reference for a string": {"listen", "hush://prod/stripe", hush.ErrUnsupported, "'Listen' hushviper: unsupported: a reference in a field of type string"},
		"a reference in a string":  {"listen", "postgres://app:hush://prod/stripe@db", hush.ErrUnsupported, "'Listen' hushviper: unsupported: hush:// inside a value"},
		"a reference in a secret":  {"stripe", "canary hush://prod/stripe", hush.ErrUnsupported, "'Stripe' hushviper: unsupported: hush:// inside a value"},
		"a space before it":        {"stripe", " hush://prod/stripe", hush.ErrUnsupported, "hush:// inside a value"},
		"two references":           {"stripe", "hush://prod/stripe,hush://prod/canary", hush.ErrUnsupported, "hush:// inside a value"},
		"capitals":                 {"stripe", "HUSH://prod/stripe", hush.ErrUnsupported, "hush:// inside a value"},
		"a number for a secret":    {"stripe", 12345, hush.ErrUnsupported, "'Stripe' hushviper: unsupported: a secret of type int; write it as a string"},
		"a mask for a secret":      {"stripe", hush.NewValue(nil).String(), hush.ErrUnavailable, "the mask of a hush.Value"},
		"no name":                  {"stripe", "hush://", hush.ErrInvalidRef, "the name is empty"},
		"no reference":             {"stripe", "hush://a?vresion=1", hush.ErrInvalidRef, `unknown key "vresion"`},
		"no duration":              {"timeout", "5 parsecs", hush.ErrUnavailable, "'' 'Timeout' time: unknown unit"},
	} {
		t.Run(name, func(t *testing.T) {
			m, v := store(), viper.New()
			v.Set("db.password", "canary")
			v.Set(tc.key, tc.value)
			var got settings
			err := v.Unmarshal(&got, hushviper.Resolve(t.Context(), m))
			assert.Equal(t, tc.class, hush.ClassOf(err))
			require.ErrorContains(t, err, tc.text)
			assert.NotContains(t, err.Error(), "canary")
			assert.NotContains(t, err.Error(), "12345")
			assert.Empty(t, m.Calls())
			assert.Empty(t, got)
		})
	}
}

// A field of type any is not a secret.
func TestUnmarshalKeepsAReferenceInAnotherField(t *testing.T) {
	m, v := store(), viper.New()
	v.Set("rest", "hush://prod/stripe")
	var got map[string]any
	require.NoError(t, v.Unmarshal(&got, hushviper.Resolve(t.Context(), m)))
	assert.Equal(t, "hush://prod/stripe", got["rest"])
	assert.Empty(t, m.Calls())
}

// A hook that returns a new reference in the second call does not make an empty password.
func TestUnmarshalRefusesANewReference(t *testing.T) {
	var calls int
	fickle := func(_, to reflect.Value) (any, error) {
		calls++
		return map[string]any{"password": fmt.Sprint("hush://prod/stripe?version=v", calls)}, nil
	}
	root := func(from, to reflect.Value) (any, error) {
		if to.Kind() == reflect.Struct && from.Kind() == reflect.Map {
			return fickle(from, to)
		}
		return from.Interface(), nil
	}
	var got struct{ Password hush.Value }
	err := file(t, viper.WithDecodeHook(mapstructure.DecodeHookFuncValue(root))).Unmarshal(&got, hushviper.Resolve(t.Context(), store()))
	assert.Equal(t, hush.ErrUnsupported, hush.ClassOf(err))
	assert.ErrorContains(t, err, "a decode hook returned a new reference")
}

func TestUnmarshalWithACanceledContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var got settings
	err := file(t).Unmarshal(&got, hushviper.Resolve(ctx, store()))
	assert.Equal(t, hush.ErrCanceled, hush.ClassOf(err))
	assert.ErrorIs(t, err, context.Canceled)
}
