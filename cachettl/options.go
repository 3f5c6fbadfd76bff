package cachettl

import (
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/clock"
)

// Options change how a Cache works. The zero value of each is its default; nil
// Options are all defaults. The callbacks hold no lock and may be called from
// several goroutines at once; what brought them about waits for them.
type Options struct {
	// TTL, if set, gives a secret a time to live of its own. 0 is the cache's;
	// negative keeps nothing. It is called once for each answer of the store.
	TTL func(hush.Ref, hush.Secret) time.Duration

	// Jitter shortens each TTL by a random part of up to this fraction, so that
	// what was fetched together is not asked for together again. 0 is 0.1;
	// negative is none; more than 1 is 1.
	Jitter float64

	// StaleIfError is for how long after its TTL a secret is served, marked Stale,
	// while the store cannot be asked (ErrThrottled, ErrUnavailable, ErrAbsent;
	// for ErrRefused one TTL at the most). 0 is not at all.
	StaleIfError time.Duration

	// StaleWait is how long a Get waits for the store before it is served a stale
	// secret that it may have; half of what its deadline leaves, if that is less.
	// 0 is 100 ms; negative is no time.
	StaleWait time.Duration

	// ServeExpired is for how long after its TTL a secret is served at once, marked
	// Stale, while a fetch runs behind. 0 is not at all.
	ServeExpired time.Duration

	// RefreshAhead is how long before the end of its TTL a secret that is read is
	// fetched behind, so that a busy one is never waited for. At most half the TTL.
	// 0 is not at all. A secret with a lease is always asked for again after two
	// thirds of it.
	RefreshAhead time.Duration

	// NegativeTTL is for how long ErrNotFound is remembered, in the place of a
	// secret. 0 is not at all.
	NegativeTTL time.Duration

	// MaxEntries bounds the secrets held. 0 is 1,000. The one to go is about the
	// least recently used; fetches that run are not counted.
	MaxEntries int

	// FetchTimeout bounds one fetch, which has no caller's deadline. 0 is 5 s. A
	// fetch that is older, by either clock, is abandoned: nobody joins it, and its
	// late answer is dropped.
	FetchTimeout time.Duration

	// MinRefresh is how long a NewerThan that found nothing new is believed, so
	// that callers whose secret was rejected do not flood the store. 0 is 1 s;
	// negative is none.
	MinRefresh time.Duration

	// OnRotate is called when the store gives another version than before; where
	// it names no versions, another value.
	OnRotate func(ref hush.Ref, old, current hush.Secret)

	// OnStale is called when a secret is served stale for the first time since it
	// was last fetched. why is the last failure; nil if none is known yet.
	OnStale func(ref hush.Ref, stale hush.Secret, why error)

	// now reads the clocks; tests set it.
	now clock.Func
}

func (o Options) withDefaults() Options {
	if o.Jitter == 0 {
		o.Jitter = 0.1
	}
	o.Jitter = min(max(o.Jitter, 0), 1)
	for _, d := range []*time.Duration{&o.StaleIfError, &o.ServeExpired, &o.RefreshAhead, &o.NegativeTTL} {
		*d = max(*d, 0)
	}
	if o.StaleWait == 0 {
		o.StaleWait = 100 * time.Millisecond
	}
	if o.MaxEntries <= 0 {
		o.MaxEntries = 1000
	}
	if o.FetchTimeout <= 0 {
		o.FetchTimeout = 5 * time.Second
	}
	if o.MinRefresh == 0 {
		o.MinRefresh = time.Second
	}
	if o.now == nil {
		o.now = clock.New()
	}
	return o
}
