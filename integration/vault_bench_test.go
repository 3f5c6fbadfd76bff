package integration_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/integration/internal/vaultserver"
	"github.com/hush-secrets/hush/vault"
)

// BenchmarkVaultKV compares a read from a real Vault with the same read by the official
// client. For the ratio and the difference, the reads take turns, so that other load on the
// machine affects both. Allocations of the server in the same process are equal for both.
func BenchmarkVaultKV(b *testing.B) {
	s := startVault(b, vaultserver.Login{})
	for i := range 10 {
		s.put("json", map[string]any{"user": "app", "password": password, "host": "db.internal", "port": 5432, "n": fmt.Sprint(i)})
	}
	token := s.Token(&api.TokenCreateRequest{Policies: []string{"reader"}})
	bareClient, client := s.ClientWith(token), s.ClientWith(token)
	p := vault.New(client, &vault.Options{Mount: "kv", KV: 2})
	bare := func() {
		_, err := bareClient.KVv2("kv").Get(context.Background(), "json")
		require.NoError(b, err)
	}
	ours := func() {
		_, err := p.Get(context.Background(), hush.Name("json"))
		require.NoError(b, err)
	}
	for name, read := range map[string]func(){"bare": bare, "hush": ours} {
		b.Run(name, func(b *testing.B) {
			read()
			b.ReportAllocs()
			for b.Loop() {
				read()
			}
		})
	}
	b.Run("ratio", func(b *testing.B) { inTurns(b, ours, bare) })
}

func inTurns(b *testing.B, ours, bare func()) {
	b.Helper()
	var floor, cost time.Duration
	var more int64
	for n := 0; b.Loop(); n++ {
		first, second := bare, ours
		if n%2 == 1 {
			first, second = ours, bare
		}
		one, allocs1 := measure(first)
		two, allocs2 := measure(second)
		if n%2 == 1 {
			one, two, allocs1, allocs2 = two, one, allocs2, allocs1
		}
		floor, cost, more = floor+one, cost+two, more+allocs2-allocs1
	}
	b.ReportMetric(float64(cost)/float64(floor), "ours/bare")
	b.ReportMetric(float64(more)/float64(b.N), "more-allocs/op")
}

func measure(fn func()) (took time.Duration, allocs int64) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	fn()
	took = time.Since(start)
	runtime.ReadMemStats(&after)
	return took, int64(after.Mallocs - before.Mallocs)
}
