package config_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/config"
	"github.com/hush-secrets/hush/providertest"
)

func requested(m *providertest.Map) []string {
	var texts []string
	for _, ref := range m.Calls() {
		texts = append(texts, ref.String())
	}
	return texts
}

func TestNamesAreTranslated(t *testing.T) {
	vault, direct := &providertest.Map{}, &providertest.Map{}
	direct.Put("prod/db", []byte(`{"password":"hunter2","nested":{"a":"b"}}`))
	direct.Put("prod/x", []byte("x"))
	p := open(t, &config.Config{
		Providers: []config.Store{{URL: "vault"}, {URL: "direct", Prefix: "prod/"}},
		Names:     map[string]map[string]string{"db": {"vault": "kv/orders"}, "pw": {"direct": "prod/db#password"}, "nested": {"direct": "prod/db#nested"}},
		CacheTTL:  -1,
	}, opens("vault", vault), opens("direct", direct))
	for ref, want := range map[string]string{
		"db#password": "hunter2", "pw": "hunter2", "nested": `{"a":"b"}`, "nested#a": "b", "x": "x",
	} {
		secret, err := hush.Get(t.Context(), p, ref)
		require.NoError(t, err, ref)
		assert.Equal(t, want, secret.Value.Reveal(), ref)
		assert.Equal(t, "direct", secret.Source)
	}
	assert.ElementsMatch(t, []string{"kv/orders", "pw", "nested", "nested", "x"}, requested(vault), "only a name with an entry for this store is translated")

	_, err := hush.Get(t.Context(), p, "pw#more")
	assert.Equal(t, hush.ErrNotFound, hush.ClassOf(err))
	_, err = hush.Get(t.Context(), p, "db?stage=AWSPREVIOUS")
	require.Error(t, err)
	assert.Contains(t, requested(direct), "prod/db?stage=AWSPREVIOUS", "the program requests version and stage")
	_, err = hush.Get(t.Context(), p, "missing")
	assert.ErrorContains(t, err, `"prod/missing"`, "the error has the name in the store")
}

// A front that used the name of the program could return another secret.
func TestAFrontHasTheNamesOfItsStore(t *testing.T) {
	extension, direct := &providertest.Map{}, &providertest.Map{}
	extension.Put("db", []byte("another secret"))
	extension.Put("x", []byte("another secret"))
	direct.Put("prod/orders", []byte("from the store"))
	direct.Put("prod/x", []byte("from the store"))
	names := map[string]map[string]string{"db": {"direct": "prod/orders"}}
	links := []config.Store{{URL: "extension"}, {URL: "direct", Prefix: "prod/"}}
	schemes := []hush.Scheme{frontOf(opens("extension", extension), "direct"), opens("direct", direct)}
	p := open(t, &config.Config{Providers: links, Names: names}, schemes...)
	for _, name := range []string{"db", "x"} {
		secret, err := p.Get(t.Context(), hush.Name(name))
		require.NoError(t, err)
		assert.Equal(t, "from the store", secret.Value.Reveal(), name)
	}
	assert.Equal(t, []string{"prod/orders", "prod/x"}, requested(extension))

	extension.Put("e/db", []byte("from the front"))
	names["db"]["extension"] = "e/db"
	p = open(t, &config.Config{Providers: links, Names: names}, schemes...)
	secret, err := p.Get(t.Context(), hush.Name("db"))
	require.NoError(t, err)
	assert.Equal(t, "from the front", secret.Value.Reveal())
}

func TestAPrefixThatMakesANameTooLongIsNotFound(t *testing.T) {
	store, other := &providertest.Map{}, &providertest.Map{}
	name := strings.Repeat("x", 2048)
	other.Put(name, []byte("here"))
	p := open(t, &config.Config{Providers: []config.Store{{URL: "store", Prefix: "p/"}, {URL: "other"}}}, opens("store", store), opens("other", other))
	secret, err := p.Get(t.Context(), hush.Name(name))
	require.NoError(t, err, "the name is invalid in the first store and valid in the next")
	assert.Equal(t, "here", secret.Value.Reveal())
	_, err = p.Stores()[0].Provider.Get(t.Context(), hush.Name(name))
	assert.Equal(t, hush.ErrNotFound, hush.ClassOf(err))
	_, err = p.Stores()[0].Provider.Get(t.Context(), hush.Name(""))
	assert.Equal(t, hush.ErrInvalidRef, hush.ClassOf(err))
}

// batching records the sizes of the batches.
type batching struct {
	*providertest.Map
	sizes []int
}

func (b *batching) GetBatch(ctx context.Context, refs []hush.Ref) []hush.Result {
	b.sizes = append(b.sizes, len(refs))
	return hush.GetAll(ctx, b.Map, refs...)
}

func TestBatchesAreTranslated(t *testing.T) {
	store := &batching{Map: &providertest.Map{}}
	store.Put("p/db", []byte(`{"user":"app","password":"hunter2"}`))
	store.Put("p/x", []byte("x"))
	p := open(t, &config.Config{
		Providers: []config.Store{{URL: "store", Prefix: "p/"}},
		Names:     map[string]map[string]string{"user": {"store": "p/db#user"}, "password": {"store": "p/db#password"}},
	}, opens("store", store))
	refs := []hush.Ref{hush.Name("user"), hush.Name("password"), hush.Name("x"), hush.Name("missing"), hush.Name(strings.Repeat("x", 2047)), hush.Name("")}
	texts := make([]string, len(refs))
	for i, result := range hush.GetAll(t.Context(), p, refs...) {
		texts[i] = result.Secret.Value.Reveal()
		if result.Err != nil {
			texts[i] = hush.ClassOf(result.Err).Error()
		}
	}
	assert.Equal(t, []string{"app", "hunter2", "x", "not found", "not found", "invalid reference"}, texts)
	assert.Equal(t, []int{3}, store.sizes, "user and password have the same version")
	link := p.Stores()[0].Provider.(hush.BatchProvider) // without a chain, which removes the fields
	results := link.GetBatch(t.Context(), []hush.Ref{{Name: "db", Field: "user"}, hush.Name("")})
	require.NoError(t, results[0].Err)
	assert.Equal(t, "app", results[0].Secret.Value.Reveal())
	assert.Equal(t, hush.ErrInvalidRef, hush.ClassOf(results[1].Err))
	secret, err := link.Get(t.Context(), hush.Ref{Name: "db", Field: "user"})
	require.NoError(t, err)
	assert.Equal(t, "app", secret.Value.Reveal())
	plain := open(t, &config.Config{}, opens("store", store.Map))
	_, ok := plain.Stores()[0].Provider.(hush.BatchProvider)
	assert.False(t, ok)
}

// Without a version, NewerThan compares values. The value of a field is never the value
// of a whole secret, so the read must be fresh.
func TestNewerThanAFieldIsAFreshRead(t *testing.T) {
	value := hush.NewValue([]byte("y"))
	for _, c := range []struct {
		alias, field, version string
		compares              bool
	}{
		{"db", "", "", true},
		{"db", "a", "", false},
		{"db#password", "", "", false},
		{"db#a", "a", "", false},
		{"db", "a", "v1", true},
		{"db#password", "", "v1", true},
	} {
		var fresh, compares bool
		store := hush.ProviderFunc(func(_ context.Context, ref hush.Ref) (hush.Secret, error) {
			than, isFresh := ref.Freshness()
			fresh, compares = isFresh, than != nil
			return hush.Secret{Value: hush.NewValue([]byte(`{"a":"x"}`))}, nil
		})
		p := open(t, &config.Config{Names: map[string]map[string]string{"pw": {"store": c.alias}}}, opens("store", store))
		ref := hush.Ref{Name: "pw", Field: c.field}
		_, err := p.Stores()[0].Provider.Get(t.Context(), ref.NewerThan(hush.Secret{Value: value, Version: c.version}))
		require.NoError(t, err)
		assert.True(t, fresh, "%v", c)
		assert.Equal(t, c.compares, compares, "%v", c)
	}
}

// An agent may serve the secrets under another prefix.
func TestAFrontMayHaveItsOwnPrefix(t *testing.T) {
	extension, direct := &providertest.Map{}, &providertest.Map{}
	extension.Put("e/x", []byte("from the front"))
	p := open(t, &config.Config{Providers: []config.Store{{URL: "extension", Prefix: "e/"}, {URL: "direct", Prefix: "d/"}}},
		frontOf(opens("extension", extension), "direct"), opens("direct", direct))
	secret, err := p.Get(t.Context(), hush.Name("x"))
	require.NoError(t, err)
	assert.Equal(t, "from the front", secret.Value.Reveal())
	assert.Equal(t, []string{"e/x"}, requested(extension))
}
