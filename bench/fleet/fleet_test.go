// Package fleet counts what a fleet that starts together asks of Secrets Manager,
// and how long it waits, in simulated time: the SDK's real client against a model
// of the account's quotas. From the root, `make fleet` prints the tables.
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
	within    = time.Second // in which all processes start, one after another
	pause     = time.Second // after which a process that lacks a secret tries again

	ttl = 5 * time.Minute
)

// names are the 20 secrets of every process.
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

// A program is how a process gets its secrets. open is done at its start; what it
// returns is called until it reports that nothing is missing.
type program struct {
	name string
	open func(*account) (load func(context.Context) (all bool), end func())
	dies bool // of a secret that is missing; else it asks for that one again

	hasty bool // it retries sooner than the SDK's client does
}

var (
	sequential = program{"SDK, one after the other", openSDK(1), true, false}
	concurrent = program{"SDK, 20 at once", openSDK(20), true, false}

	ours = []program{
		{"hush, single calls", openHush(nil), true, false},
		{"hush, single calls", openHush(nil), false, false},
		{"hush, Options.Batch", openHush(&direct.Options{Batch: true}), false, false},
		{"hush, retries as awsdirect's", openHush(nil, hasty), false, true},
	}
)

// hasty retries as awsdirect's client does.
func hasty(o *secretsmanager.Options) {
	o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = 2
		o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) {
			return 25*time.Millisecond + rand.N(50*time.Millisecond), nil
		})
	})
}

// openSDK is the client as it comes, asked for so many secrets at a time. It gives
// up at the first that fails, as a program does that returns the error.
func openSDK(atOnce int) func(*account) (func(context.Context) bool, func()) {
	return func(a *account) (func(context.Context) bool, func()) {
		client, missing := a.client(), names()
		load := func(ctx context.Context) bool {
			missing = fetch(ctx, client, missing, atOnce)
			return len(missing) == 0
		}
		return load, func() {}
	}
}

func fetch(ctx context.Context, client *secretsmanager.Client, wanted []string, atOnce int) (missing []string) {
	for len(wanted) > 0 && len(missing) == 0 {
		now := wanted[:min(atOnce, len(wanted))]
		wanted = wanted[len(now):]
		failed := make([]bool, len(now))
		var calls sync.WaitGroup
		for i, name := range now {
			calls.Go(func() {
				_, err := client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &name})
				failed[i] = err != nil
			})
		}
		calls.Wait()
		for i, name := range now {
			if failed[i] {
				missing = append(missing, name)
			}
		}
	}
	return append(missing, wanted...)
}

// openHush is GetAll over a cache.
func openHush(o *direct.Options, client ...func(*secretsmanager.Options)) func(*account) (func(context.Context) bool, func()) {
	return func(a *account) (func(context.Context) bool, func()) {
		cache := cachettl.New(direct.New(a.client(client...), o), ttl, nil)
		load := func(ctx context.Context) bool { return hush.Errors(hush.GetAll(ctx, cache, refs()...)) == nil }
		return load, func() { _ = cache.Close() }
	}
}

// A start is what the start of a fleet came to.
type start struct {
	calls     [2]int // single, batch
	throttled int
	peak      int           // calls in a second
	attempts  int           // of processes to load all
	last      time.Duration // until the last process has all
	loaded    int           // processes that have all
}

// launch starts the fleet.
func launch(p program) (s start) {
	a := newAccount()
	var fleet sync.WaitGroup
	var mu sync.Mutex
	for i := range processes {
		fleet.Go(func() {
			time.Sleep(within * time.Duration(i) / processes)
			attempts := p.live(a)
			mu.Lock()
			defer mu.Unlock()
			s.attempts += attempts
			s.loaded++
			s.last = time.Since(a.made)
		})
	}
	fleet.Wait()
	s.calls, s.throttled, s.peak = a.calls, a.throttled, a.peak(0)
	return s
}

// live is one process until it has its secrets.
func (p program) live(a *account) (attempts int) {
	load, end := p.open(a)
	for attempts = 1; !load(context.Background()); attempts++ {
		time.Sleep(pause)
		if p.dies {
			end()
			load, end = p.open(a)
		}
	}
	end()
	return attempts
}

// TestFleet starts the fleet in every way.
func TestFleet(t *testing.T) {
	table := newTable(t.Output(), "program\tlacking a secret it\tcalls\tbatches\tthrottled\tpeak/s\tattempts\tall have all after")
	run := func(p program) (s start) {
		synctest.Test(t, func(*testing.T) { s = launch(p) })
		assert.Equal(t, processes, s.loaded)
		assert.GreaterOrEqual(t, s.calls[0]+s.calls[1]*20, processes*20, "%s: secrets from nowhere", p.name)
		manner := "asks again after 1 s"
		if p.dies {
			manner = "starts over after 1 s"
		}
		fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%.2f s\n",
			p.name, manner, s.calls[0], s.calls[1], s.throttled, s.peak, s.attempts, s.last.Seconds())
		return s
	}
	run(sequential)
	bare := run(concurrent)
	for _, p := range ours {
		s := run(p)
		if !p.hasty {
			assert.LessOrEqual(t, s.throttled, bare.throttled, "%s: throttled more often than the bare SDK", p.name)
		}
		assert.LessOrEqual(t, s.last, bare.last+pause, "%s: slower than the bare SDK", p.name)
	}
	require.NoError(t, table.Flush())
}

func newTable(w io.Writer, head string) *tabwriter.Writer {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, head)
	return table
}
