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

func asked(m *providertest.Map) []string {
	var texts []string
	for _, ref := range m.Calls() {
		texts = append(texts, ref.String())
	}
	return texts
}

func TestNames(t *testing.T) {
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
	assert.ElementsMatch(t, []string{"kv/orders", "pw", "nested", "nested", "x"}, asked(vault), "only what has an alias here is renamed")

	_, err := hush.Get(t.Context(), p, "pw#more")
	assert.Equal(t, hush.ErrNotFound, hush.ClassOf(err))
	_, err = hush.Get(t.Context(), p, "db?stage=AWSPREVIOUS")
	require.Error(t, err)
	assert.Contains(t, asked(direct), "prod/db?stage=AWSPREVIOUS", "version and stage are the program's")
	_, err = hush.Get(t.Context(), p, "missing")
	assert.ErrorContains(t, err, `"prod/missing"`, "the store's name is in the error")
}

// A front that asked for the program's own name could find another secret.
func TestFrontHasTheNamesOfItsStore(t *testing.T) {
	extension, direct := &providertest.Map{}, &providertest.Map{}
	extension.Put("db", []byte("of somebody else"))
	extension.Put("x", []byte("of somebody else"))
	direct.Put("prod/orders", []byte("ours"))
	direct.Put("prod/x", []byte("ours"))
	names := map[string]map[string]string{"db": {"direct": "prod/orders"}}
	links := []config.Store{{URL: "extension"}, {URL: "direct", Prefix: "prod/"}}
	schemes := []hush.Scheme{front(opens("extension", extension), "direct"), opens("direct", direct)}
	p := open(t, &config.Config{Providers: links, Names: names}, schemes...)
	for _, name := range []string{"db", "x"} {
		secret, err := p.Get(t.Context(), hush.Name(name))
		require.NoError(t, err)
		assert.Equal(t, "ours", secret.Value.Reveal(), name)
	}
	assert.Equal(t, []string{"prod/orders", "prod/x"}, asked(extension))

	extension.Put("e/db", []byte("its own"))
	names["db"]["extension"] = "e/db"
	p = open(t, &config.Config{Providers: links, Names: names}, schemes...)
	secret, err := p.Get(t.Context(), hush.Name("db"))
	require.NoError(t, err)
	assert.Equal(t, "its own", secret.Value.Reveal())
}

func TestPrefixThatMakesANameTooLong(t *testing.T) {
	store, other := &providertest.Map{}, &providertest.Map{}
	name := strings.Repeat("x", 2048)
	other.Put(name, []byte("here"))
	p := open(t, &config.Config{Providers: []config.Store{{URL: "store", Prefix: "p/"}, {URL: "other"}}}, opens("store", store), opens("other", other))
	secret, err := p.Get(t.Context(), hush.Name(name))
	require.NoError(t, err, "it is no name for that store, and one for the next")
	assert.Equal(t, "here", secret.Value.Reveal())
	_, err = p.Stores()[0].Provider.Get(t.Context(), hush.Name(name))
	assert.Equal(t, hush.ErrNotFound, hush.ClassOf(err))
	_, err = p.Stores()[0].Provider.Get(t.Context(), hush.Name(""))
	assert.Equal(t, hush.ErrInvalidRef, hush.ClassOf(err))
}

// batching counts the batches of a store.
type batching struct {
	*providertest.Map
	sizes []int
}

func (b *batching) GetBatch(ctx context.Context, refs []hush.Ref) []hush.Result {
	b.sizes = append(b.sizes, len(refs))
	return hush.GetAll(ctx, b.Map, refs...)
}

func TestNamesInBatches(t *testing.T) {
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
	assert.Equal(t, []int{3}, store.sizes, "user and password are of one version")
	link := p.Stores()[0].Provider.(hush.BatchProvider) // which no chain clears the fields for
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

// NewerThan a field's value, which has no version, means a fresh read: no whole
// secret has that value. With a version it is compared by that.
func TestNamesNewerThan(t *testing.T) {
	value := hush.NewValue([]byte("y"))
	for _, c := range []struct {
		alias, field, version string
		compares              bool
	}{
		{"db", "", "", true},
		{"db", "a", "", false},
		{"db#password", "", "", false},
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

// A front goes by its own prefix where it has one: an agent may serve another tree.
func TestFrontWithAPrefixOfItsOwn(t *testing.T) {
	extension, direct := &providertest.Map{}, &providertest.Map{}
	extension.Put("e/x", []byte("its own"))
	p := open(t, &config.Config{Providers: []config.Store{{URL: "extension", Prefix: "e/"}, {URL: "direct", Prefix: "d/"}}},
		front(opens("extension", extension), "direct"), opens("direct", direct))
	secret, err := p.Get(t.Context(), hush.Name("x"))
	require.NoError(t, err)
	assert.Equal(t, "its own", secret.Value.Reveal())
	assert.Equal(t, []string{"e/x"}, asked(extension))
}
