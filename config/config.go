// Package config opens the stores that configuration names, so that what answers a
// program is decided where it runs and not where it is written.
//
// A [Config] has three forms that mean the same: this struct, a file of YAML or JSON
// ([Load]), and environment variables ([FromEnv]). [OpenEnv] is all that most
// programs need:
//
//	secrets, err := config.OpenEnv(ctx, all.Schemes()...)
//
// with HUSH_PROVIDERS="extension direct" in one place and HUSH_PROVIDERS="vault env"
// in another.
//
// These rules hold for all three forms:
//
//   - What is not given has its default, and a zero turns off what can be off: no
//     ttl is five minutes, a ttl of 0 is no cache.
//   - Nothing is guessed. An unknown key, variable, scheme or parameter is an error
//     that lists what is known, and all that is wrong is told at once, each with its
//     place in the file or its variable.
//   - A URL says which store and never holds a credential: user info and the
//     parameters that are named like one are refused. No error quotes a URL or a
//     value.
//   - The program passes the schemes that configuration may choose from, and links
//     those alone. What it does not pass, and what a scheme of its own does not take
//     from the URL, no configuration can widen.
//   - Opening contacts nobody, unless Verify asks for it.
package config

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/chain"
)

// A Config says where secrets come from and how long they are kept. The zero Config
// has the defaults for everything but Providers, of which Open needs at least one.
//
// Where a field is a pointer, nil is the default and new(5*time.Minute) a value. The
// text of a Config is its YAML form, which has no secret in it; so has none of its
// other forms. What only code can give, from Logger on, is in none of them.
type Config struct {
	// Providers are the stores in the order in which they are asked. One whose
	// scheme fronts for that of the store right after it, as extension does for
	// direct, is that store's front; see package chain.
	Providers []Store

	// Names are what stores call the program's names: program's name → name of the
	// link → reference in that store, which may have a field and no version or
	// stage. A link without an entry is asked for its Prefix and the program's name.
	// A front goes by the entries of its store where it has none of its own. Where a
	// reference has a field, that is what the whole secret is to the program.
	Names map[string]map[string]string

	// Cache is in front of all the stores together.
	Cache Cache

	// Breaker is for each link alike.
	Breaker Breaker

	// Policy says which failures of a store let the next one be asked. Empty: any.
	Policy Policy

	// Log says what is written about calls and answers, never a value of a secret.
	Log Log

	// Verify makes Open ask each store once for a name that is not there, and fail
	// if one cannot be asked; see Open.
	Verify bool

	// Logger gets the lines in the place of standard error, those of Log.Level and
	// above if that is set. It is not closed. Nil: Log alone decides.
	Logger *zap.Logger

	// OnCall gets each call of a link and the context of the Get; see chain.Options.
	OnCall func(context.Context, chain.Call)

	// OnRotate and OnStale are told what the cache sees; see cachettl.Options.
	OnRotate func(ref hush.Ref, old, current hush.Secret)
	OnStale  func(ref hush.Ref, stale hush.Secret, why error)

	origin *origin // nil for a Config that code has made
}

// A Cache is how answers are kept in memory; see cachettl.Options for what each
// setting does. None of them is negative.
type Cache struct {
	// TTL is how long a secret is kept. Nil: 5 m. 0: there is no cache, and the other
	// settings say nothing.
	TTL *time.Duration

	// StaleIfError is for how long after its TTL a secret is served while the store
	// cannot be asked. Nil: 1 h. 0: not at all.
	StaleIfError *time.Duration

	// StaleWait is how long a Get waits for a store before it returns a stale
	// secret. Nil: 100 ms, or FetchTimeout in Lambda (AWS_LAMBDA_RUNTIME_API is
	// set), where a fetch that Get leaves behind does not end. 0: no time.
	StaleWait *time.Duration

	// StaleWhileRevalidate is for how long after its TTL a secret is served at once, while
	// it is fetched behind. Nil and 0: not at all.
	StaleWhileRevalidate *time.Duration

	// RefreshAhead is how long before the end of its TTL a secret in use is fetched
	// behind. Nil and 0: not at all.
	RefreshAhead *time.Duration

	// NegativeTTL is for how long it is remembered that there is no such secret. Nil
	// and 0: not at all.
	NegativeTTL *time.Duration

	// Jitter is the part of a TTL, from 0 to 1, by which it is shortened at random
	// at most. Nil: 0.1. 0: none.
	Jitter *float64

	// MaxEntries bounds the secrets that are held. Nil: 1,000. It is not 0.
	MaxEntries *int

	// MaxFetches bounds the concurrent fetches from the stores together. Nil: 64. 0:
	// no limit.
	MaxFetches *int

	// FetchTimeout bounds one fetch from the stores together. Nil: 5 s. It is not 0.
	FetchTimeout *time.Duration

	// MinRefresh is how long it is believed that there is nothing newer. Nil: 1 s.
	// 0: not at all.
	MinRefresh *time.Duration
}

// A Breaker says when a link that keeps failing is called last; see chain.Breaker.
type Breaker struct {
	// Failures is the row of failures that opens it. Nil: 5. 0: it never opens.
	Failures *int

	// Wait is the most that it stays open at first. Nil: 1 s. It is not 0.
	Wait *time.Duration

	// MaxWait is the most that Wait doubles to. Nil: 30 s, or Wait if that is more.
	// It is not 0 and not less than Wait.
	MaxWait *time.Duration
}

// A Policy says which failures of a store let the next one be asked.
type Policy string

// The policies.
const (
	PolicyAny     Policy = "any"     // every failure; see chain.AnyFailure
	PolicyOutages Policy = "outages" // only a store that could not answer; see chain.OutagesOnly
)

// A Log says what is written as JSON lines on standard error, or to Config.Logger.
type Log struct {
	// Level is the least level of a line. Empty: off, or the Logger's own.
	Level Level
}

// A Level is how much attention a line deserves.
type Level string

// The levels. What is logged at which level is said at chain.Call.
const (
	LevelOff   Level = "off"
	LevelDebug Level = "debug"
	LevelInfo  Level = "info"
	LevelWarn  Level = "warn"
	LevelError Level = "error"
)
