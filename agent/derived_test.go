package agent_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/davecgh/go-spew/spew"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/agent"
	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/providertest"
)

// A derivingMap is a Provider whose GetDerived caches one result forever.
type derivingMap struct {
	hush.Provider
	kept any
}

func (k *derivingMap) GetDerived(ctx context.Context, ref hush.Ref, _ any, derive func(hush.Secret) any) (any, error) {
	secret, err := k.Get(ctx, ref)
	if err != nil {
		return nil, err
	}
	if k.kept == nil {
		k.kept = derive(secret)
	}
	return k.kept, nil
}

func TestEncodedResponseIsCached(t *testing.T) {
	secrets := map[string]string{"db": canary}
	k := &derivingMap{Provider: hush.Static(secrets)}
	h := agent.Handler(k, token, nil)
	_, first := get(t, h, "/v1/db")
	k.Provider = hush.Static(map[string]string{"db": "two"})
	_, second := get(t, h, "/v1/db")
	assert.Contains(t, first, canary)
	assert.Equal(t, first, second, "the kept response")
	response, third := get(t, h, "/v1/none")
	assert.Equal(t, 400, response.StatusCode)
	assert.Contains(t, third, "ResourceNotFoundException")
}

// TestCachedResponseHasNameOfRequest has a decorator that gives one secret two names.
func TestCachedResponseHasNameOfRequest(t *testing.T) {
	const arn = "arn:aws:secretsmanager:eu-west-1:1:secret:db-AbCdEf"
	h := agent.Handler(&derivingMap{Provider: hush.Static(map[string]string{"db": "one", arn: "one"})}, token, nil)
	for range 2 {
		_, byName := get(t, h, "/v1/db")
		assert.Contains(t, byName, `{"ARN":null,"Name":"db",`)
		_, byARN := get(t, h, "/v1/"+arn)
		assert.Contains(t, byARN, `{"ARN":"`+arn+`","Name":null,`)
	}
}

func TestResponsesFollowTheCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m providertest.Map
		m.Put("db", []byte("one"))
		c := cachettl.New(&m, time.Minute, &cachettl.Options{Jitter: -1, StaleIfError: time.Hour})
		defer func() { assert.NoError(t, c.Close()) }()
		h := agent.Handler(c, token, nil)
		body := func(query string) string {
			response, body := get(t, h, "/v1/db"+query)
			require.Equal(t, 200, response.StatusCode)
			return body
		}
		assert.Contains(t, body(""), `"SecretString":"one"`)
		m.Put("db", []byte("two"))
		assert.Contains(t, body("?versionStage=AWSCURRENT"), `"SecretString":"one"`)
		assert.Contains(t, body("?refreshNow=true"), `"SecretString":"two"`)
		assert.Contains(t, body(""), `"SecretString":"two"`)
		m.Put("db", []byte("three"))
		c.Forget()
		assert.Contains(t, body(""), `"SecretString":"three"`)
		m.Put("db", []byte("four"))
		time.Sleep(time.Minute)
		assert.Contains(t, body(""), `"SecretString":"four"`)
		assert.NotContains(t, body(""), `"Stale"`)
		defer m.Always(providertest.Step{Err: hush.ErrUnavailable})()
		time.Sleep(time.Minute)
		for range 2 {
			assert.Contains(t, body(""), `"SecretString":"four"`)
			assert.Contains(t, body(""), `"Stale":true`)
		}
	})
}

// TestCachedResponseIsNotPrinted prints the result that a cache keeps.
func TestCachedResponseIsNotPrinted(t *testing.T) {
	k := &derivingMap{Provider: hush.Static(map[string]string{"db": canary})}
	_, body := get(t, agent.Handler(k, token, nil), "/v1/db")
	require.Contains(t, body, canary)
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		assert.NotContains(t, fmt.Sprintf(format, k.kept), canary, format)
	}
	assert.NotContains(t, spew.Sdump(k.kept), canary)
}

// TestCacheHitIsNotEncodedAgain limits the memory for hits of a large secret.
func TestCacheHitIsNotEncodedAgain(t *testing.T) {
	const size, hits = 1 << 20, 10
	c := cachettl.New(hush.Static(map[string]string{"db": strings.Repeat("x", size)}), time.Hour, nil)
	defer func() { assert.NoError(t, c.Close()) }()
	h, w := agent.Handler(c, token, nil), httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/db", nil)
	r.Header.Set("X-Vault-Token", token)
	h.ServeHTTP(w, r)
	assert.Greater(t, w.Body.Len(), size)
	w.Body = nil // the recorder would copy the body
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range hits {
		h.ServeHTTP(w, r)
	}
	runtime.ReadMemStats(&after)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(hits*size/4))
}
