// Package fleet simulates a fleet of processes that start together. It counts their calls of
// Secrets Manager and measures their waiting time, in simulated time. The client is the real AWS
// SDK, and the quotas of the account are a model. `make fleet` in the root prints the tables.
package fleet_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"text/tabwriter"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/direct"
)

const (
	processes = 1000
	within    = time.Second // all processes start within this time
	pause     = time.Second // before the retry of a process without all secrets

	ttl = 5 * time.Minute
)

// names returns the names of the 20 secrets of each process.
func names() (names []string) {
	for i := range 20 {
		names = append(names, fmt.Sprintf("prod/orders/%d", i))
	}
	return names
}

func refs() (refs []hush.Ref) {
	for _, name := range names() {
		refs = append(refs, hush.Name(name))
	}
	return refs
}

func (a *account) client(opts ...func(*secretsmanager.Options)) *secretsmanager.Client {
	return secretsmanager.New(secretsmanager.Options{
		Region: "eu-west-1", HTTPClient: a,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "of documentation"}, nil
		}),
	}, opts...)
}

// A program is a way to load secrets. open runs at the start of a process. The process then calls
// load until it returns true.
type program struct {
	name string
	open func(*account) (load func(context.Context) (all bool), end func())

	restarts     bool // the process restarts after a failure; otherwise it loads the missing secrets
	shortBackoff bool // the client retries sooner than the SDK
}

var (
	sequential = program{"SDK, one at a time", openSDK(1), true, false}
	concurrent = program{"SDK, 20 at once", openSDK(20), true, false}

	ours = []program{
		{"hush, single calls", openHush(nil), true, false},
		{"hush, single calls", openHush(nil), false, false},
		{"hush, Options.Batch", openHush(&direct.Options{Batch: true}), false, false},
		{"hush, retries of awsdirect", openHush(nil, shortBackoff), false, true},
	}
)

// shortBackoff sets the retries of awsdirect.
func shortBackoff(o *secretsmanager.Options) {
	o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = 2
		o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) {
			return 25*time.Millisecond + rand.N(50*time.Millisecond), nil
		})
	})
}

// openSDK uses the SDK's client with the given number of concurrent calls. It stops at the first
// failure.
func openSDK(concurrency int) func(*account) (func(context.Context) bool, func()) {
	return func(a *account) (func(context.Context) bool, func()) {
		client, missing := a.client(), names()
		load := func(ctx context.Context) bool {
			missing = fetch(ctx, client, missing, concurrency)
			return len(missing) == 0
		}
		return load, func() {}
	}
}

func fetch(ctx context.Context, client *secretsmanager.Client, wanted []string, concurrency int) (missing []string) {
	for len(wanted) > 0 && len(missing) == 0 {
		batch := wanted[:min(concurrency, len(wanted))]
		wanted = wanted[len(batch):]
		failed := make([]bool, len(batch))
		var calls sync.WaitGroup
		for i, name := range batch {
			calls.Go(func() {
				_, err := client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &name})
				failed[i] = err != nil
			})
		}
		calls.Wait()
		for i, name := range batch {
			if failed[i] {
				missing = append(missing, name)
			}
		}
	}
	return append(missing, wanted...)
}

// openHush uses GetAll with a cache.
func openHush(o *direct.Options, client ...func(*secretsmanager.Options)) func(*account) (func(context.Context) bool, func()) {
	return func(a *account) (func(context.Context) bool, func()) {
		cache := cachettl.New(direct.New(a.client(client...), o), ttl, nil)
		load := func(ctx context.Context) bool { return hush.Errors(hush.GetAll(ctx, cache, refs()...)) == nil }
		return load, func() { _ = cache.Close() }
	}
}

// A startResult has the counts and times of the start of a fleet.
type startResult struct {
	calls     [2]int // single, batch
	throttled int
	peak      int           // calls in a second
	attempts  int           // calls of load
	last      time.Duration // until the last process has all secrets
	loaded    int           // processes with all secrets
}

// launch starts the fleet.
func launch(p program) (s startResult) {
	a := newAccount()
	var fleet sync.WaitGroup
	var mu sync.Mutex
	for i := range processes {
		fleet.Go(func() {
			time.Sleep(within * time.Duration(i) / processes)
			attempts := p.loadAll(a)
			mu.Lock()
			defer mu.Unlock()
			s.attempts += attempts
			s.loaded++
			s.last = time.Since(a.start)
		})
	}
	fleet.Wait()
	s.calls, s.throttled, s.peak = a.calls, a.throttled, a.peak(0)
	return s
}

// loadAll runs one process until it has its secrets.
func (p program) loadAll(a *account) (attempts int) {
	load, end := p.open(a)
	for attempts = 1; !load(context.Background()); attempts++ {
		time.Sleep(pause)
		if p.restarts {
			end()
			load, end = p.open(a)
		}
	}
	end()
	return attempts
}

// TestFleet starts the fleet with each program.
func TestFleet(t *testing.T) {
	table := newTable(t.Output(), "program\tafter a failure\tcalls\tbatches\tthrottled\tpeak/s\tattempts\tcomplete after")
	run := func(p program) (s startResult) {
		synctest.Test(t, func(*testing.T) { s = launch(p) })
		assert.Equal(t, processes, s.loaded)
		assert.GreaterOrEqual(t, s.calls[0]+s.calls[1]*20, processes*20, "%s: too few calls", p.name)
		onFailure := "retries after 1 s"
		if p.restarts {
			onFailure = "restarts after 1 s"
		}
		fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%.2f s\n",
			p.name, onFailure, s.calls[0], s.calls[1], s.throttled, s.peak, s.attempts, s.last.Seconds())
		return s
	}
	run(sequential)
	bare := run(concurrent)
	for _, p := range ours {
		s := run(p)
		if !p.shortBackoff {
			assert.LessOrEqual(t, s.throttled, bare.throttled, "%s: throttled more often than the bare SDK", p.name)
		}
		assert.LessOrEqual(t, s.last, bare.last+pause, "%s: slower than the bare SDK", p.name)
	}
	require.NoError(t, table.Flush())
}

func newTable(w io.Writer, header string) *tabwriter.Writer {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, header)
	return table
}
