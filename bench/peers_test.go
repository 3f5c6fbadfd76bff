// Package bench compares hush with its peers in one run and with one key type. Ratios of
// different machines are comparable; nanoseconds are not. The command report runs the benchmarks
// in rounds and renders the results.
package bench_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/hashicorp/golang-lru/v2/expirable"
	"github.com/jellydator/ttlcache/v3"
	"github.com/maypok86/otter/v2"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/cachettl"
)

const (
	ttl    = time.Hour
	secret = `{"user":"app","password":"correct horse"}`
)

var errMiss = errors.New("unexpected miss")

// refs returns n Refs.
func refs(n int) []hush.Ref {
	all := make([]hush.Ref, n)
	for i := range all {
		all[i] = hush.Name(fmt.Sprintf("prod/orders/db-%d", i))
	}
	return all
}

// constant returns a store without latency that has every secret.
func constant() hush.Provider {
	s := hush.Secret{Value: hush.NewValue([]byte(secret)), Version: "v1"}
	return hush.ProviderFunc(func(context.Context, hush.Ref) (hush.Secret, error) { return s, nil })
}

// capacity returns the limit for the number of entries: the default of cachettl, or the number of
// secrets if it is larger.
func capacity(refs []hush.Ref) int { return max(1000, len(refs)) }

// A read returns the secret with the given index.
type read func(i int) (hush.Secret, error)

// A cache is a cache to measure.
type cache struct {
	name         string
	open         func(tb testing.TB, refs []hush.Ref) read
	singleSecret bool
}

// caches are hush with different options, and its peers.
var caches = []cache{
	{name: "hush", open: openHush},
	{name: "hush+field", open: openHushField},
	{name: "hush+handle", open: openHushHandle},
	{name: "hush+CountHits", open: openHushCountHits},
	{name: "otter", open: openOtter},
	{name: "golang-lru", open: openLRU},
	{name: "ttlcache", open: openTTLCache},
	{name: "syncmap+clock", open: openSyncMap},
	{name: "CredentialsCache", open: openCredentialsCache, singleSecret: true},
}

func openHush(tb testing.TB, refs []hush.Ref) read {
	tb.Helper()
	return hushRead(tb, refs, &cachettl.Options{MaxEntries: capacity(refs)})
}

func openHushField(tb testing.TB, refs []hush.Ref) read {
	tb.Helper()
	fields := make([]hush.Ref, len(refs))
	for i, ref := range refs {
		fields[i] = ref
		fields[i].Field = "password"
	}
	return hushRead(tb, fields, &cachettl.Options{MaxEntries: capacity(refs)})
}

func openHushCountHits(tb testing.TB, refs []hush.Ref) read {
	tb.Helper()
	return hushRead(tb, refs, &cachettl.Options{MaxEntries: capacity(refs), CountHits: true})
}

func hushRead(tb testing.TB, refs []hush.Ref, opts *cachettl.Options) read {
	tb.Helper()
	c, ctx := newHush(tb, opts), context.Background()
	return func(i int) (hush.Secret, error) { return c.Get(ctx, refs[i]) }
}

func openHushHandle(tb testing.TB, refs []hush.Ref) read {
	tb.Helper()
	c, ctx := newHush(tb, &cachettl.Options{MaxEntries: capacity(refs)}), context.Background()
	handles := make([]*cachettl.Handle, len(refs))
	for i, ref := range refs {
		handles[i] = c.Handle(ref)
	}
	return func(i int) (hush.Secret, error) { return handles[i].Get(ctx) }
}

func newHush(tb testing.TB, opts *cachettl.Options) *cachettl.Cache {
	tb.Helper()
	return newHushFor(tb, constant(), opts)
}

func newHushFor(tb testing.TB, store hush.Provider, opts *cachettl.Options) *cachettl.Cache {
	tb.Helper()
	c := cachettl.New(store, ttl, opts)
	tb.Cleanup(func() { require.NoError(tb, c.Close()) })
	return c
}

// openOtter uses the loading Get, with limits for the number and the age of entries.
func openOtter(tb testing.TB, refs []hush.Ref) read {
	tb.Helper()
	c, err := otter.New(&otter.Options[hush.Ref, hush.Secret]{
		MaximumSize:      capacity(refs),
		ExpiryCalculator: otter.ExpiryWriting[hush.Ref, hush.Secret](ttl),
	})
	require.NoError(tb, err)
	tb.Cleanup(func() { c.StopAllGoroutines() })
	loader, ctx := otter.LoaderFunc[hush.Ref, hush.Secret](constant().Get), context.Background()
	return func(i int) (hush.Secret, error) { return c.Get(ctx, refs[i], loader) }
}

func openLRU(_ testing.TB, refs []hush.Ref) read {
	c, store, ctx := expirable.NewLRU[hush.Ref, hush.Secret](capacity(refs), nil, ttl), constant(), context.Background()
	return func(i int) (hush.Secret, error) {
		if s, ok := c.Get(refs[i]); ok {
			return s, nil
		}
		s, err := store.Get(ctx, refs[i])
		c.Add(refs[i], s)
		return s, err
	}
}

// openTTLCache starts the TTL at the load, like the other caches, and not at the last hit.
func openTTLCache(_ testing.TB, refs []hush.Ref) read {
	store, ctx := constant(), context.Background()
	c := ttlcache.New(
		ttlcache.WithTTL[hush.Ref, hush.Secret](ttl),
		ttlcache.WithCapacity[hush.Ref, hush.Secret](uint64(capacity(refs))),
		ttlcache.WithDisableTouchOnHit[hush.Ref, hush.Secret](),
		ttlcache.WithLoader(ttlcache.LoaderFunc[hush.Ref, hush.Secret](
			func(c *ttlcache.Cache[hush.Ref, hush.Secret], ref hush.Ref) *ttlcache.Item[hush.Ref, hush.Secret] {
				s, err := store.Get(ctx, ref)
				if err != nil {
					return nil
				}
				return c.Set(ref, s, ttlcache.DefaultTTL)
			})),
	)
	return func(i int) (hush.Secret, error) {
		item := c.Get(refs[i])
		if item == nil {
			return hush.Secret{}, errMiss
		}
		return item.Value(), nil
	}
}

// openSyncMap is the floor: a map with expiry, without loading and eviction.
func openSyncMap(tb testing.TB, refs []hush.Ref) read {
	tb.Helper()
	type entry struct {
		secret  hush.Secret
		expires time.Time
	}
	var entries sync.Map
	for _, ref := range refs {
		s, err := constant().Get(context.Background(), ref)
		require.NoError(tb, err)
		entries.Store(ref, &entry{s, time.Now().Add(ttl)})
	}
	return func(i int) (hush.Secret, error) {
		v, _ := entries.Load(refs[i])
		e, ok := v.(*entry)
		if !ok || !time.Now().Before(e.expires) {
			return hush.Secret{}, errMiss
		}
		return e.secret, nil
	}
}

// openCredentialsCache uses the AWS SDK's cache for credentials.
func openCredentialsCache(tb testing.TB, _ []hush.Ref) read {
	tb.Helper()
	s, err := constant().Get(context.Background(), hush.Name("db"))
	require.NoError(tb, err)
	credentials := aws.Credentials{AccessKeyID: "id", SecretAccessKey: "key", CanExpire: true, Expires: time.Now().Add(ttl)}
	c := aws.NewCredentialsCache(aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return credentials, nil }))
	ctx := context.Background()
	return func(int) (hush.Secret, error) {
		got, err := c.Retrieve(ctx)
		if got.SecretAccessKey == "" {
			return hush.Secret{}, errMiss
		}
		return s, err
	}
}

// warm fills a cache and requires that it returns the secrets.
func warm(tb testing.TB, name string, r read, n int) {
	tb.Helper()
	want := len(secret)
	if name == "hush+field" {
		want = len("correct horse")
	}
	for i := range n {
		for range 2 {
			s, err := r(i)
			if err != nil || s.Value.Len() != want {
				tb.Fatalf("%s: secret %d: %d bytes, want %d: %v", name, i, s.Value.Len(), want, err)
			}
		}
	}
}

// TestCachesReturnTheSecret checks each cache.
func TestCachesReturnTheSecret(t *testing.T) {
	for _, c := range caches {
		warm(t, c.name, c.open(t, refs(100)), 100)
	}
}
