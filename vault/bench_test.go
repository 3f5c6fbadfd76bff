package vault_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/vault"
	"github.com/hush-secrets/hush/vault/vaulttest"
)

// moreAllocs is the maximum number of additional allocations of a read, compared with
// the official client.
const moreAllocs = 20

// A contest is a read of the same secret by hush and by the official client, from the
// same server.
type contest struct {
	name       string
	hush, bare func()
}

// contests returns contests that are logged in and have a connection.
func contests(tb testing.TB) []contest {
	tb.Helper()
	server := startVault(tb)
	server.Mount("kv", vaulttest.KV1)
	small := map[string]any{"username": "app", "password": "hunter2", "host": "db.internal", "port": 5432}
	large := map[string]any{}
	for i := range 100 {
		large[fmt.Sprintf("key-%02d", i)] = fmt.Sprintf("value-%032d", i)
	}
	var all []contest
	for _, c := range []struct {
		name, mount, secret string
		data                map[string]any
	}{
		{"KV v1", "kv", "small", small}, {"KV v2", "secret", "small", small}, {"KV v2 of 5 KB", "secret", "large", large},
	} {
		server.Put(c.mount, c.secret, c.data)
		opts, client := vault.Options{Mount: c.mount, KV: 2}, server.Client()
		bare := func() error {
			_, err := client.KVv2(c.mount).Get(context.Background(), c.secret)
			return err
		}
		if c.mount == "kv" {
			opts.KV = 1
			bare = func() error {
				_, err := client.KVv1(c.mount).Get(context.Background(), c.secret)
				return err
			}
		}
		p := vault.New(server.Client(), &opts)
		made := contest{c.name, func() {
			_, err := p.Get(context.Background(), hush.Name(c.secret))
			require.NoError(tb, err)
		}, func() { require.NoError(tb, bare()) }}
		made.hush()
		made.bare()
		all = append(all, made)
	}
	return all
}

// TestAllocations includes the allocations of the server, which runs in the same process
// on both sides.
func TestAllocations(t *testing.T) {
	for _, c := range contests(t) {
		bare, ours := testing.AllocsPerRun(200, c.bare), testing.AllocsPerRun(200, c.hush)
		t.Logf("%s: %.0f by the client alone, %+.0f by hush", c.name, bare, ours-bare)
		assert.LessOrEqual(t, ours-bare, float64(moreAllocs), c.name)
	}
}

// BenchmarkGet reads with each client alone, and then with both in turns, so that the
// ratio does not depend on the load of the machine.
func BenchmarkGet(b *testing.B) {
	for _, c := range contests(b) {
		for name, read := range map[string]func(){"bare": c.bare, "hush": c.hush} {
			b.Run(c.name+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					read()
				}
			})
		}
		b.Run(c.name+"/in turns", func(b *testing.B) { inTurns(b, c.hush, c.bare) })
	}
}

func inTurns(b *testing.B, ours, bare func()) {
	b.Helper()
	var cost, floor time.Duration
	measure := func(read func()) time.Duration {
		start := time.Now()
		read()
		return time.Since(start)
	}
	for i := 0; b.Loop(); i++ {
		if i%2 == 0 {
			cost += measure(ours)
			floor += measure(bare)
		} else {
			floor += measure(bare)
			cost += measure(ours)
		}
	}
	b.ReportMetric(float64(cost)/float64(b.N), "ours-ns/op")
	b.ReportMetric(float64(floor)/float64(b.N), "bare-ns/op")
	b.ReportMetric(float64(cost)/float64(floor), "ours/bare")
}
