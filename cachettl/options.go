package cachettl

import (
	"cmp"
	"math"
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/clock"
)

// Options configure a Cache. The zero value of each field is its default; nil
// Options are all defaults. The callbacks OnRotate and OnStale run without a lock
// and may run concurrently. The Get or the fetch that caused one waits for it. A
// callback that panics ends neither: the panic is recovered and counted in
// Stats.CallbackPanics.
type Options struct {
	// TTL, if set, returns the TTL of one secret. Zero means the TTL of the cache;
	// a negative value disables caching. It is called once for each secret that
	// the store returns.
	TTL func(hush.Ref, hush.Secret) time.Duration

	// Jitter shortens each TTL by a random part of up to this fraction, so that
	// secrets that were fetched together do not expire together. Zero means 0.1,
	// and so does NaN. A negative value means no jitter; the maximum is 1.
	Jitter float64

	// StaleIfError is how long after its TTL a secret is served, marked Stale,
	// during an outage of the store (ErrThrottled, ErrUnavailable, ErrAbsent; for
	// ErrRefused at most one TTL). Zero means not at all.
	StaleIfError time.Duration

	// StaleWait is how long a Get that has a stale secret waits for the store, from
	// the start of the fetch, before it returns the stale secret. A Get with a
	// deadline waits for at most half of its time. Zero means 100 ms. A negative
	// value means that Get does not wait.
	//
	// In a process that is frozen between requests, such as a Lambda function, a
	// fetch that Get leaves behind does not end. When the cache notices this, one
	// Get for each fetch waits longer: until FetchTimeout or half of its time.
	// After a long wait without a response, and where StaleWait is a second or
	// more, such waits are at least 30 s apart until the store responds again.
	StaleWait time.Duration

	// StaleWhileRevalidate is how long after its TTL a secret is served at once, marked
	// Stale, while a fetch runs in the background. Zero means not at all.
	StaleWhileRevalidate time.Duration

	// RefreshAhead is how long before the end of its TTL a secret that is read is
	// fetched in the background, so that no Get waits for it. The maximum is half
	// the TTL. Zero means not at all. A secret that expires by itself (a lease) is
	// always fetched again after two thirds of its life.
	RefreshAhead time.Duration

	// NegativeTTL is how long ErrNotFound is cached. Zero means not at all.
	NegativeTTL time.Duration

	// MaxEntries bounds the number of secrets in memory. Zero means 1,000. The
	// cache evicts approximately the least recently used. Entries with a running
	// fetch are not counted.
	MaxEntries int

	// MaxFetches bounds the concurrent calls of the next provider. Zero means 64. A
	// negative value means no limit. A batch is one call. Further fetches wait for
	// their turn, within FetchTimeout. A waiting fetch is dropped when its last Get
	// has left, unless the cache holds an older value of its secret.
	MaxFetches int

	// FetchTimeout bounds one fetch, which does not have the deadline of a caller.
	// Zero means 5 s. No Get joins a fetch that is older than this by either
	// clock, and its late response is dropped.
	FetchTimeout time.Duration

	// MinRefresh is how long a NewerThan request is served from memory after a
	// fresh fetch found nothing new, so that callers with a rejected secret do not
	// flood the store. Zero means 1 s. A negative value means not at all.
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
