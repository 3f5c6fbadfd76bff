package hushkoanf_test

import (
	"context"
	"strings"
	"testing"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/adapters/hushkoanf"
	"github.com/hush-secrets/hush/providertest"
)

// store returns a store with two secrets.
func store() *providertest.Map {
	var m providertest.Map
	m.Put("prod/db", []byte(`{"user":"app","password":"one"}`))
	m.Put("prod/key", []byte("\x00raw\n"))
	return &m
}

func load(t *testing.T, k *koanf.Koanf, p hush.Provider, refs map[string]string) error {
	t.Helper()
	return k.Load(hushkoanf.Provider(t.Context(), p, refs, k.Delim()), nil)
}

func TestSecretsOverrideAFile(t *testing.T) {
	m, k := store(), koanf.New(".")
	require.NoError(t, k.Load(file.Provider("testdata/orders.yaml"), yaml.Parser()))
	require.NoError(t, load(t, k, m, map[string]string{
		"db.user": "prod/db#user", "db.password": "prod/db#password", "a.b.c": "prod/key",
	}))
	assert.Equal(t, map[string]any{
		"db.host": "db.internal", "db.user": "app", "db.password": "one", "listen": ":8080", "a.b.c": "\x00raw\n",
	}, k.All(), "unchanged bytes, and the file's other keys")
	assert.Len(t, m.Calls(), 2, "two fields of one secret are one read")

	var into struct {
		DB struct{ Host, Password string }
	}
	require.NoError(t, k.Unmarshal("", &into))
	assert.Equal(t, "db.internal one", into.DB.Host+" "+into.DB.Password)
}

func TestReadSplitsKeysAtTheDelimiter(t *testing.T) {
	for delim, want := range map[string]map[string]any{
		"/": {"db.x": map[string]any{"key": "\x00raw\n"}},
		"":  {"db.x/key": "\x00raw\n"},
	} {
		got, err := hushkoanf.Provider(t.Context(), store(), map[string]string{"db.x/key": "prod/key"}, delim).Read()
		require.NoError(t, err)
		assert.Equal(t, want, got, "delimiter %q", delim)
	}
	got, err := hushkoanf.Provider(t.Context(), store(), nil, ".").Read()
	require.NoError(t, err)
	assert.Empty(t, got)
}

func TestLoadAfterARotationReturnsTheNewSecret(t *testing.T) {
	m, k := store(), koanf.New(".")
	refs := map[string]string{"password": "prod/db#password"}
	p := hushkoanf.Provider(t.Context(), m, refs, ".")
	clear(refs) // Provider has copied it
	require.NoError(t, k.Load(p, nil))
	m.Put("prod/db", []byte(`{"password":"two"}`))
	assert.Equal(t, "one", k.String("password"))
	require.NoError(t, k.Load(p, nil))
	assert.Equal(t, "two", k.String("password"))
}

func TestReadReportsAllFailures(t *testing.T) {
	for _, class := range []hush.Class{hush.ErrNotFound, hush.ErrDenied, hush.ErrThrottled, hush.ErrUnavailable} {
		t.Run(class.Error(), func(t *testing.T) {
			m, k := store(), koanf.New(".")
			p := hush.ProviderFunc(func(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
				if ref.Name == "worst" {
					return hush.Secret{}, hush.NewError("store", ref, class, nil)
				}
				return m.Get(ctx, ref)
			})
			err := load(t, k, p, map[string]string{
				"a": "nothing", "b.c": "prod/db#nobody", "fine": "prod/db#password", "z": "worst",
			})
			assert.Equal(t, class, hush.ClassOf(err))
			assert.ErrorIs(t, err, hush.ErrNotFound)
			assert.ErrorIs(t, err, class)
			for _, text := range []string{`key "a": `, `key "b.c": `, `key "z": store: "worst": `, `"prod/db#nobody"`} {
				assert.ErrorContains(t, err, text)
			}
			assert.NotContains(t, err.Error(), "fine")
			assert.NotContains(t, err.Error(), "one")
			assert.Empty(t, k.All(), "all or nothing")
		})
	}
}

func TestReadCallsNoStoreForAnInvalidReference(t *testing.T) {
	m := store()
	err := load(t, koanf.New("."), m, map[string]string{"a": "", "b": "prod/db?vresion=1", "c": strings.Repeat("x", 3000)})
	assert.Equal(t, hush.ErrInvalidRef, hush.ClassOf(err))
	for _, text := range []string{`key "a": `, `key "b": `, `key "c": `, `unknown key "vresion"`} {
		assert.ErrorContains(t, err, text)
	}
	assert.Empty(t, m.Calls())
}

func TestReadRefusesAKeyWithinAnother(t *testing.T) {
	for _, refs := range []map[string]string{
		{"db": "prod/db", "db.password": "prod/db#password"},
		{"db": "prod/db", "db-x": "prod/key", "db.a.b": "prod/db#password"},
		{"db.a": "prod/db", "db.a.b.c": "prod/key", "e": "prod/key"},
	} {
		err := load(t, koanf.New("."), store(), refs)
		assert.Equal(t, hush.ErrUnsupported, hush.ClassOf(err))
		assert.ErrorContains(t, err, "within another key")
	}
	_, err := hushkoanf.Provider(t.Context(), store(), map[string]string{"a!b": "prod/db", "a": "prod/key"}, "!").Read()
	assert.Equal(t, hush.ErrUnsupported, hush.ClassOf(err))
}

func TestReadWithACanceledContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := hushkoanf.Provider(ctx, store(), map[string]string{"a": "prod/key"}, ".").Read()
	assert.Equal(t, hush.ErrCanceled, hush.ClassOf(err))
	assert.ErrorIs(t, err, context.Canceled)
}

func TestReadBytesIsUnsupported(t *testing.T) {
	err := koanf.New(".").Load(hushkoanf.Provider(t.Context(), store(), nil, "."), yaml.Parser())
	assert.Equal(t, hush.ErrUnsupported, hush.ClassOf(err))
}
