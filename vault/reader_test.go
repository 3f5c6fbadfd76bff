package vault_test

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/vault"
	"github.com/hush-secrets/hush/vault/vaulttest"
)

func TestReaderReadsAnyEngine(t *testing.T) {
	server := startVault(t)
	server.Mount("kv", vaulttest.KV1)
	server.Mount("aws", vaulttest.AWS)
	server.Mount("database", vaulttest.Database)
	server.Put("kv", "db/app", map[string]any{"z": 1, "a": "<x>"})
	server.Put("secret", "db/app", map[string]any{"n": 1})
	server.LeaseRole("aws", "deploy", nil)
	server.LeaseRole("database", "a b/c?d", nil)
	reader := vault.NewReader(server.Client(), &vault.ReaderOptions{Mounts: []string{"kv", "aws", "secret", "database"}})
	for ref, want := range map[hush.Ref]string{
		{Name: "kv/db/app"}:                         `{"a":"<x>","z":1}`,
		{Name: "secret/data/db/app"}:                `"data":{"n":1}`,
		{Name: "secret/data/db/app", Field: "data"}: `{"n":1}`,
		{Name: "aws/creds/deploy"}:                  `"security_token":null`,
		{Name: "aws/sts/deploy"}:                    `"access_key":"AKIA`,
		{Name: "database/creds/a b/c?d"}:            `"username":"v-token-`,
	} {
		secret, err := reader.Get(t.Context(), ref)
		require.NoError(t, err, "%s", ref)
		assert.Contains(t, secret.Value.Reveal(), want)
	}
	server.Delete("secret", "db/app")
	_, err := reader.Get(t.Context(), hush.Name("secret/data/db/app"))
	assert.Equal(t, hush.ErrNotFound, hush.ClassOf(err))
	assert.ErrorContains(t, err, "version 1 is deleted")
}

func TestReaderRejectsVersionsStagesAndOtherPaths(t *testing.T) {
	l := newLeased(t, vaulttest.LeaseOptions{}, vault.ReaderOptions{})
	for _, ref := range []hush.Ref{
		{Name: creds.Name, Version: "1"}, {Name: creds.Name, Stage: "AWSPREVIOUS"}, {Name: creds.Name, Version: "x", Stage: hush.CurrentStage},
	} {
		l.requireFailure(t, ref, hush.ErrUnsupported)
	}
	l.requireFailure(t, hush.Ref{}, hush.ErrInvalidRef)
	assert.Zero(t, l.server.Calls(vaulttest.Call{}))
	l.requireGet(t, hush.Ref{Name: creds.Name, Stage: hush.CurrentStage})
	l.requireFailure(t, hush.Ref{Name: creds.Name, Field: "none"}, hush.ErrNotFound)
	l.requireFailure(t, hush.Name("database/creds/none"), hush.ErrRefused)
	l.requireFailure(t, hush.Name("database/none"), hush.ErrNotFound)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := l.Get(ctx, creds)
	assert.Equal(t, hush.ErrCanceled, hush.ClassOf(err), "although it is the current one")
	assert.ErrorIs(t, err, context.Canceled)
}

func TestReaderRejectsInvalidResponses(t *testing.T) {
	l := newLeased(t, vaulttest.LeaseOptions{}, vault.ReaderOptions{})
	for _, body := range []string{
		``, `canary-lease`, `{}`, `{"data":null}`, `{"data":"canary-lease"}`, `{"data":["canary-lease"]}`, `{"data":{"a":"canary-lease"`,
		`{"data":{},"lease_id":1}`, `{"data":{},"lease_duration":"canary-lease"}`, `{"data":{},"lease_duration":1e99}`, `{"wrap_info":{"token":"canary-lease"}}`,
	} {
		l.server.Fail(vaulttest.Failure{Operation: vaulttest.Read, Status: http.StatusOK, Body: []byte(body), Times: 1})
		l.requireFailure(t, creds, hush.ErrUnavailable)
	}
	l.requireGet(t, creds)
	assert.Equal(t, 1, l.server.Counts().LeasesIssued)
}

// A rejected secret is replaced at once.
func TestUseGetsANewLeaseAfterARejection(t *testing.T) {
	for _, field := range []string{"", "n"} {
		l := newLeased(t, vaulttest.LeaseOptions{TTL: time.Hour}, vault.ReaderOptions{})
		l.requireGet(t, creds)
		var asked atomic.Int32
		counted := hush.ProviderFunc(func(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
			asked.Add(1)
			return l.Get(ctx, ref)
		})
		var tried []string
		err := hush.Use(t.Context(), counted, hush.Ref{Name: creds.Name, Field: field}, func(s hush.Secret) error {
			tried = append(tried, s.Version)
			if len(tried) == 1 {
				return errors.Join(hush.ErrRejected)
			}
			return nil
		})
		require.NoError(t, err)
		assert.EqualValues(t, 2, asked.Load())
		assert.Len(t, tried, 2)
		assert.Equal(t, 2, l.server.Counts().LeasesIssued)
	}
}

// The TTL of the cache and its stale bounds are longer than the lease.
func TestCacheDoesNotServeAnExpiredLease(t *testing.T) {
	t.Parallel()
	server := startVault(t)
	server.Mount("database", vaulttest.Database)
	server.LeaseRole("database", "app", &vaulttest.LeaseOptions{TTL: time.Second, NotRenewable: true})
	reader := vault.NewReader(server.Client(), &vault.ReaderOptions{Mounts: []string{"database"}})
	cache := cachettl.New(reader, time.Hour, &cachettl.Options{StaleIfError: time.Hour, StaleWhileRevalidate: time.Hour})
	defer func() { assert.NoError(t, cache.Close()) }()
	versions, tick := map[string]bool{}, time.NewTicker(2*time.Millisecond)
	defer tick.Stop()
	for len(versions) < 3 {
		<-tick.C
		start := time.Now()
		secret, err := cache.Get(t.Context(), creds)
		require.NoError(t, err)
		versions[secret.Version] = true
		assert.True(t, start.Before(secret.Expires), "served %v past its end", start.Sub(secret.Expires))
	}
	defer server.Break()()
	require.Eventually(t, func() bool {
		start := time.Now()
		secret, err := cache.Get(t.Context(), creds)
		assert.True(t, err != nil || start.Before(secret.Expires), "an expired lease was returned during the outage")
		return err != nil
	}, 20*time.Second, 2*time.Millisecond)
}
