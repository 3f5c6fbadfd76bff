package cachettl

import (
	"cmp"
	"math"
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/clock"
)

// Options configure a Cache. The zero value of each field is its default.
//
// The callbacks OnRotate and OnStale run without a lock and may run concurrently. The
// Get or the fetch that caused a callback waits for it. The cache recovers a panic of
// a callback and counts it in Stats.CallbackPanics.
type Options struct {
	// TTL returns the TTL of one secret. A result of zero means the TTL of the cache. A
	// negative result disables caching. The cache calls TTL once for each secret that
	// the store returns. Nil means the TTL of the cache for each secret.
	TTL func(hush.Ref, hush.Secret) time.Duration

	// Jitter shortens each TTL by a random part of up to this fraction, so that
	// secrets that were fetched together do not expire together. Zero means 0.1,
	// and so does NaN. A negative value means no jitter. The maximum is 1.
	Jitter float64

	// StaleIfError is how long after its TTL a secret is served, marked Stale,
	// during an outage of the store: ErrThrottled, ErrUnavailable, ErrAbsent or, for at
	// most one TTL, ErrRefused. Zero means not at all.
	StaleIfError time.Duration

	// StaleWait is how long a Get that has a stale secret waits for the store, from
	// the start of the fetch, before it returns the stale secret. A Get with a
	// deadline waits for at most half of its time. Zero means 100 ms. A negative
	// value means that Get does not wait.
	//
	// In a process that is frozen between requests, such as a Lambda function, a
	// fetch that Get leaves behind does not end. When the cache notices this, one
	// Get for each fetch waits longer: until FetchTimeout or half of its time.
	// After a wait of this kind without a response, Gets for the same secret wait for
	// at most 100 ms during the next 30 s, and Gets for other secrets during the next
	// 10 s, until the store responds. The same limits apply if StaleWait is a second
	// or more.
	StaleWait time.Duration

	// StaleWhileRevalidate is how long after its TTL a secret is served at once, marked
	// Stale, while a fetch runs in the background. Zero means not at all.
	StaleWhileRevalidate time.Duration

	// RefreshAhead is how long before the end of its TTL a secret that is read is
	// fetched in the background, so that no Get waits for it. The maximum is half
	// the TTL. Zero means not at all. A secret that expires by itself, such as a
	// lease, is always fetched again after two thirds of its life.
	RefreshAhead time.Duration

	// NegativeTTL is how long ErrNotFound is cached. Zero means not at all.
	NegativeTTL time.Duration

	// MaxEntries bounds the number of secrets in memory. Zero or a negative value means
	// 1,000. The cache evicts approximately the least recently used secret. Secrets
	// with a running fetch are not counted.
	MaxEntries int

	// MaxFetches bounds the concurrent calls of the next provider. Zero means 64. A
	// negative value means no limit. A batch is one call. A fetch beyond the limit
	// waits within FetchTimeout. It is dropped if its last Get leaves before the call,
	// unless the cache has an older value of the secret.
	MaxFetches int

	// FetchTimeout bounds one fetch. A fetch does not have the deadline of a caller.
	// Zero or a negative value means 5 s. No Get joins a fetch that is older than
	// FetchTimeout by either clock, and the late response is dropped.
	FetchTimeout time.Duration

	// MinRefresh is how long a NewerThan request is served from memory after a
	// fresh fetch found nothing new, so that callers with a rejected secret do not
	// flood the store. Zero means 1 s. A negative value means that each
	// NewerThan request may start a fetch.
	MinRefresh time.Duration

	// CountHits makes Stats count hits, at a small cost for each hit. By default a hit
	// writes to no shared memory.
	CountHits bool

	// OnRotate is called when the store returns another version than before or,
	// without versions, another value.
	OnRotate func(ref hush.Ref, old, current hush.Secret)

	// OnStale is called when a secret is served stale for the first time since its
	// last successful fetch. why is the last failure, or nil if none is known.
	OnStale func(ref hush.Ref, stale hush.Secret, why error)

	// now reads the clocks; tests replace it.
	now clock.Func
}

const defaultStaleWait = 100 * time.Millisecond

func (o Options) withDefaults() Options {
	if o.Jitter == 0 || math.IsNaN(o.Jitter) {
		o.Jitter = 0.1
	}
	o.Jitter = min(max(o.Jitter, 0), 1)
	for _, d := range []*time.Duration{&o.StaleIfError, &o.StaleWhileRevalidate, &o.RefreshAhead, &o.NegativeTTL} {
		*d = max(*d, 0)
	}
	o.StaleWait = max(cmp.Or(o.StaleWait, defaultStaleWait), 0)
	o.MinRefresh = max(cmp.Or(o.MinRefresh, time.Second), 0)
	o.MaxFetches = cmp.Or(o.MaxFetches, 64)
	o.MaxEntries = cmp.Or(max(o.MaxEntries, 0), 1000)
	o.FetchTimeout = cmp.Or(max(o.FetchTimeout, 0), 5*time.Second)
	if o.now == nil {
		o.now = clock.New()
	}
	return o
}
