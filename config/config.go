// Package config opens the stores that a program's configuration names.
//
// The configuration says where secrets come from, so the same program runs in Lambda,
// in a container and on a laptop. Most programs need one call:
//
//	secrets, err := config.OpenEnv(ctx, all.Schemes()...)
//
// The environment then names the stores, for example HUSH_PROVIDERS="extension direct"
// in Lambda and HUSH_PROVIDERS="vault env" on a laptop.
//
// A [Config] comes from Go code, from a file of YAML or JSON ([Load]), or from
// environment variables ([FromEnv]). The rules are the same for all three:
//
//   - A setting that is left out has its default. In a file or a variable, 0 turns a
//     feature off. In Go, zero means the default and a negative value turns the
//     feature off.
//   - A mistake is an error. An unknown key, variable, scheme or parameter is an error
//     that lists the known ones. Open reports all mistakes together, each with its
//     place in the file or its variable.
//   - A URL names a store and never holds a credential. User info and parameters with
//     the name of a credential are errors. No error quotes a URL or a value.
//   - The program passes the schemes that the configuration may use, and links only
//     these. No configuration can add a scheme.
//   - Opening contacts no store, unless Verify is set.
package config

import (
	"context"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/chain"
)

// A Config names the stores and says how long their secrets are kept. The zero Config
// has every default. Open requires at least one of Providers.
type Config struct {
	// Providers are the stores, in the order in which they are called. A store whose
	// scheme is a front of the scheme of the next store becomes a front of that store,
	// as extension is a front of direct. Package chain describes fronts.
	Providers []Store

	// Names maps the program's names to the names in the stores. The first key is the
	// program's name. The second key is the Name of a Store. The value is a reference
	// in that store, which may have a field, but no version and no stage.
	//
	// A store without an entry is called with its Prefix and the program's name. A
	// front without an entry has the entry of its store. If a reference has a field,
	// the program sees the field as the whole secret.
	Names map[string]map[string]string

	// CacheTTL is how long the cache keeps a secret. Zero means 5 m. A negative value
	// disables the cache.
	CacheTTL time.Duration

	// Cache configures the cache, which is in front of all stores. Two defaults differ
	// from those of cachettl.New. Zero StaleIfError means 1 h, and a negative value
	// means not at all. Zero StaleWait means FetchTimeout in Lambda
	// (AWS_LAMBDA_RUNTIME_API is set), because a fetch that Get leaves behind does not
	// end there.
	Cache cachettl.Options

	// Breaker configures the breaker of each store.
	Breaker chain.Breaker

	// Policy says after which failures of a store the next store is called. Empty
	// means PolicyAny.
	Policy Policy

	// LogLevel is the lowest level that is logged: debug, info, warn, error or off.
	// Empty means the level of Logger, or off without a Logger. Package chain says what
	// is logged at each level.
	LogLevel string

	// Verify makes Open call each store once, and fail if a store is unavailable. See
	// Open.
	Verify bool

	// Logger receives the log lines. Open does not close it. Nil means JSON lines on
	// standard error.
	Logger *zap.Logger

	// OnCall receives each call of a store. See chain.Options. Nil means no function.
	OnCall func(context.Context, chain.Call)

	origin *origin // nil if code has made the Config
}

// String returns the stores, separated by commas. It contains no credential.
func (c Config) String() string {
	texts := make([]string, len(c.Providers))
	for i, s := range c.Providers {
		texts[i] = s.String()
	}
	return strings.Join(texts, ", ")
}

// A Policy says after which failures of a store the next store is called.
type Policy string

// The policies.
const (
	PolicyAny     Policy = "any"     // after every failure; the default of package chain
	PolicyOutages Policy = "outages" // if the store could not respond; see chain.OutagesOnly
)
