package chain_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/chain"
)

// A call of the first link has a fast path if its success is not reported. A secret then
// resets the failures of concurrent calls, too.
func TestSecretResetsFailuresDuringItsCall(t *testing.T) {
	for name, onCall := range map[string]func(context.Context, chain.Call){
		"unobserved": nil, "observed": func(context.Context, chain.Call) {},
	} {
		t.Run(name, func(t *testing.T) {
			results := make(chan hush.Class, 2) // of the next calls
			var during func()
			link := linkFunc("store", func(context.Context, hush.Ref) (hush.Secret, error) {
				if class := <-results; class != 0 {
					return hush.Secret{}, class
				}
				during()
				return hush.Secret{}, nil
			})
			c := chain.New([]chain.Link{link}, &chain.Options{OnCall: onCall, Breaker: chain.Breaker{Failures: 2}})
			during = func() {
				results <- down
				_, err := c.Get(t.Context(), hush.Name("db"))
				require.ErrorIs(t, err, down)
				require.False(t, c.IsHealthy())
			}
			results <- 0
			got, err := c.Get(t.Context(), hush.Name("db"))
			require.NoError(t, err)
			assert.Equal(t, "store", got.Source)
			assert.True(t, c.IsHealthy())
		})
	}
}

func TestInfoLinesAfterFirstLinkFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.InfoLevel)
		slow := linkFunc("slow", func(context.Context, hush.Ref) (hush.Secret, error) {
			<-time.After(20 * time.Millisecond)
			return hush.Secret{}, down
		})
		c := chain.New([]chain.Link{slow, returns("denied", hush.ErrDenied)}, &chain.Options{Logger: zap.New(core)})
		_, err := c.Get(t.Context(), hush.Name("db"))
		require.ErrorIs(t, err, down)

		type line struct {
			provider any
			attempt  any
			latency  any
		}
		var lines []line
		for _, e := range logs.All() {
			fields := e.ContextMap()
			lines = append(lines, line{fields["provider"], fields["attempt"], fields["latency"]})
		}
		assert.Equal(t, []line{
			{"slow", int64(1), 20 * time.Millisecond},
			{"denied", int64(2), time.Duration(0)},
			{"chain", int64(2), 20 * time.Millisecond},
		}, lines)
	})
}

// A logger at level Error receives no line for a call, but the line of the lookup has the
// latency of its calls.
func TestErrorLineHasTheLatencyOfTheCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.ErrorLevel)
		slow := linkFunc("slow", func(context.Context, hush.Ref) (hush.Secret, error) {
			<-time.After(20 * time.Millisecond)
			return hush.Secret{}, down
		})
		_, err := chain.New([]chain.Link{slow}, &chain.Options{Logger: zap.New(core)}).Get(t.Context(), hush.Name("db"))
		require.ErrorIs(t, err, down)
		require.Len(t, logs.All(), 1)
		assert.Equal(t, 20*time.Millisecond, logs.All()[0].ContextMap()["latency"])
	})
}
