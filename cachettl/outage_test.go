package cachettl_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/chain"
	"github.com/hush-secrets/hush/env"
	"github.com/hush-secrets/hush/providertest"
)

// TestOutageOfAMinute reads five secrets at a thousand reads a second through an
// outage, in simulated time, with and without a fallback to the environment.
func TestOutageOfAMinute(t *testing.T) {
	names := []string{"a", "b", "c", "d", "e"}
	for _, name := range names {
		t.Setenv("SPARE_"+strings.ToUpper(name), "spare")
	}
	withEnv := func(breaker chain.Breaker) func(hush.Provider) hush.Provider {
		return func(p hush.Provider) hush.Provider {
			return chain.New([]chain.Link{
				{Name: "store", Provider: p}, {Name: "env", Provider: env.New(&env.Options{Prefix: "SPARE_"})},
			}, &chain.Options{Breaker: breaker})
		}
	}
	for title, tc := range map[string]struct {
		wrap    func(hush.Provider) hush.Provider
		least   int           // store calls
		recover time.Duration // the longest step
	}{
		"the store alone":                    {func(p hush.Provider) hush.Provider { return p }, 200, time.Second},
		"with a fallback":                    {withEnv(chain.Breaker{Failures: -1}), 200, time.Second},
		"with a fallback and a breaker":      {withEnv(chain.Breaker{}), 5, 31 * time.Second},
		"with a breaker that waits a second": {withEnv(chain.Breaker{MaxWait: time.Second}), 50, 2 * time.Second},
	} {
		t.Run(title, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const outage = time.Minute
				store := &providertest.Map{}
				for _, name := range names {
					store.Put(name, []byte("good"))
				}
				c := cachettl.New(tc.wrap(store), 10*time.Second, &cachettl.Options{StaleIfError: time.Hour})
				defer func() { assert.NoError(t, c.Close()) }()
				var reads, staleReads int
				read := func() (staleNow bool) {
					secret, err := c.Get(t.Context(), hush.Name(names[reads%len(names)]))
					require.NoError(t, err)
					require.Equal(t, "good", secret.Value.Reveal())
					require.False(t, secret.FromFallback)
					reads++
					if secret.Stale {
						staleReads++
					}
					return secret.Stale
				}
				for range names {
					read()
				}
				before := len(store.Calls())
				restore := store.Always(providertest.Step{Err: hush.ErrUnavailable})
				for start := time.Now(); time.Since(start) < outage; time.Sleep(time.Millisecond) {
					read()
				}
				calls := len(store.Calls()) - before
				// Steps of 0.1, 0.2, 0.4, 0.8 and then 1 s, from the end of the shortest TTL.
				most := len(names) * (5 + int((outage-9*time.Second)/time.Second))
				assert.LessOrEqual(t, calls, most, "at most one call for each secret and step")
				assert.GreaterOrEqual(t, calls, tc.least, "the store is still called")

				restore()
				back := time.Now()
				var lastStale time.Duration
				for time.Since(back) < 2*tc.recover {
					if read() {
						lastStale = time.Since(back)
					}
					time.Sleep(time.Millisecond)
				}
				assert.LessOrEqual(t, lastStale, tc.recover, "recovery within one step")
				t.Logf("%d reads, %d of them stale, no error; %d store calls during %v, at most %d; last stale secret %v after the recovery",
					reads, staleReads, calls, outage, most, lastStale)
			})
		})
	}
}
